# SPDX-License-Identifier: MIT
# Manual pages, documents and examples.

MAN3_PAGES = \
	doc/mm.3 \
	doc/mm_core.3 \
	doc/mm_exact.3 \
	doc/mm_options.3 \
	doc/mm_pool.3 \
	doc/mm_refpage.3
if MERGE
MAN3_PAGES += doc/mmlib.3
endif
dist_man_MANS = $(MAN3_PAGES) doc/mm-config.1 doc/mm_locking.7
if MERGE
dist_man_MANS += doc/mergeall.8 doc/mergemem.8
endif

dist_doc_DATA = \
	AUTHORS \
	ChangeLog \
	README.md \
	doc/ARCHITECTURE.md \
	doc/CRASH.md \
	doc/VARIANTS.md

examplesdir = $(docdir)/examples
dist_examples_DATA = \
	doc/examples/counter.c \
	doc/examples/exact.c \
	doc/examples/inspect.c \
	doc/examples/recover.c \
	doc/examples/refpage.c \
	doc/examples/segment.c \
	doc/examples/table.c

EXTRA_DIST += HACKING doc/mergeall.8 doc/mergemem.8 doc/mmlib.3 doc/man_links.sh doc/man_names.sh

# One page per function, each a line that refers to the real page.
noinst_DATA = man3/stamp
man_link_tools = doc/man_links.sh doc/man_names.sh
man3/stamp: $(man_link_tools) $(MAN3_PAGES)
	$(AM_V_at)rm -rf man3
	$(AM_V_GEN)cd $(srcdir) && $(SHELL) doc/man_links.sh \
		"$(abs_builddir)/man3" $(MAN3_PAGES)
	$(AM_V_at)touch $@
CLEANFILES += man3/*.3 man3/stamp

install-data-local: install-man-links
uninstall-local: uninstall-man-links
install-man-links: man3/stamp
	$(MKDIR_P) "$(DESTDIR)$(man3dir)"
	for link in man3/*.3; do \
		$(INSTALL_DATA) $$link "$(DESTDIR)$(man3dir)" || exit 1; \
	done
uninstall-man-links: man3/stamp
	for link in man3/*.3; do \
		rm -f "$(DESTDIR)$(man3dir)/$${link##*/}"; \
	done
.PHONY: install-man-links uninstall-man-links

DOC_TESTS = \
	tests/rules/check_examples.sh \
	tests/rules/check_manpages.sh
TESTS += $(DOC_TESTS)
EXTRA_DIST += $(DOC_TESTS)

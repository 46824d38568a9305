# SPDX-License-Identifier: MIT
# The rules of doc/ARCHITECTURE.md as tests.

RULE_TESTS = \
	tests/rules/check_exports.sh \
	tests/rules/check_format.sh \
	tests/rules/check_headers.sh \
	tests/rules/check_layers.sh \
	tests/rules/check_names.sh \
	tests/rules/check_shell.sh \
	tests/rules/check_spdx.sh \
	tests/rules/check_variants.sh

TESTS += $(RULE_TESTS)
EXTRA_DIST += \
	$(RULE_TESTS) \
	tests/libmm.exports \
	tests/libmm14.exports \
	tests/libmmlib.exports \
	tests/rules/tap.sh

# Not among the tests: they take minutes, or want an installation.
EXTRA_DIST += \
	tests/rules/analyze.sh \
	tests/rules/installcheck.sh \
	tests/rules/qa.sh

installcheck-local:
	@$(AM_TESTS_ENVIRONMENT) \
	DESTDIR='$(DESTDIR)' PKG_CONFIG='$(PKG_CONFIG)' \
	prefix='$(prefix)' bindir='$(bindir)' sbindir='$(sbindir)' libdir='$(libdir)' \
	includedir='$(includedir)' datadir='$(datadir)' mandir='$(mandir)' \
	shared='$(SHARED)' VERSION='$(VERSION)' RELEASE_DATE='$(RELEASE_DATE)' \
	$(SHELL) $(top_srcdir)/tests/rules/installcheck.sh

analyze:
	@$(AM_TESTS_ENVIRONMENT) \
	abs_top_builddir='$(abs_top_builddir)' \
	FLAGS='$(DEFS) -DMMI_TEST_BUILD=1 $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(MM_CFLAGS)' \
	$(SHELL) $(top_srcdir)/tests/rules/analyze.sh

qa:
	@$(AM_TESTS_ENVIRONMENT) \
	$(SHELL) $(top_srcdir)/tests/rules/qa.sh

clean-local: clean-qa
clean-qa:
	rm -rf qa

.PHONY: analyze clean-qa qa

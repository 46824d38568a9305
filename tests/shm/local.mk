# SPDX-License-Identifier: MIT
UNIT_TESTS += tests/shm/contract.t tests/shm/files.t tests/shm/full.t \
	tests/shm/faults.t
tests_shm_contract_t_SOURCES = tests/shm/contract.c tests/shm/leaks.h
tests_shm_contract_t_LDADD = libmm-core.la
tests_shm_files_t_SOURCES = tests/shm/files.c tests/shm/leaks.h
tests_shm_files_t_LDADD = libmm-core.la
tests_shm_full_t_SOURCES = tests/shm/full.c tests/shm/leaks.h tests/shm/small.h
tests_shm_full_t_LDADD = libmm-core.la
tests_shm_faults_t_SOURCES = tests/shm/faults.c tests/shm/leaks.h tests/shm/wrap.h
tests_shm_faults_t_LDADD = libmm-core.la
tests_shm_faults_t_LDFLAGS = $(AM_LDFLAGS) $(WRAPPED_CALLS)

# Every call whose failure the tests play; see tests/shm/wrap.h.
WRAPPED_CALLS = \
	-Wl,--wrap=mmap,--wrap=madvise,--wrap=ftruncate,--wrap=fcntl \
	-Wl,--wrap=fstat,--wrap=fchmod,--wrap=fchown,--wrap=fallocate \
	-Wl,--wrap=open,--wrap=unlink,--wrap=read,--wrap=getcwd \
	-Wl,--wrap=memfd_create,--wrap=shm_open,--wrap=shm_unlink \
	-Wl,--wrap=shmget,--wrap=shmat,--wrap=shmctl,--wrap=getentropy \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

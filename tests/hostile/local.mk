# SPDX-License-Identifier: MIT
EXTRA_DIST += tests/hostile/calls.h tests/hostile/chance.h \
	tests/hostile/damage.h tests/hostile/peer.h \
	tests/hostile/surroundings.h
UNIT_TESTS += tests/hostile/peers.t
tests_hostile_peers_t_SOURCES = tests/hostile/peers.c
tests_hostile_peers_t_LDADD = libmm-core.la
UNIT_TESTS += tests/hostile/flip.t
tests_hostile_flip_t_SOURCES = tests/hostile/flip.c
tests_hostile_flip_t_LDADD = libmm-core.la
UNIT_TESTS += tests/hostile/steer.t
tests_hostile_steer_t_SOURCES = tests/hostile/steer.c
tests_hostile_steer_t_LDADD = libmm-core.la

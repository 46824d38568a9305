/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * mergemod.h -- the whole contract between the kernel module and user space.
 *
 * MERGEMOD_DEVICE tells about pages of processes, hashes them and merges pairs
 * of equal ones.  Both sides include this file; whoever changes a number, a
 * field or a meaning raises MERGEMOD_PROTOCOL.
 *
 * All structures are the same for 32-bit and 64-bit callers: fixed-width
 * fields, 64-bit ones at multiples of 8, padding spelled out.  Padding and
 * unknown flags must be 0, else EINVAL.  Pointers travel as 64-bit numbers.
 * Addresses name the page that they lie in; they need not be aligned.
 *
 * Each ioctl returns 0, or -1 and errno.  Counts come back in the structure,
 * which is not written on failure.  Errors of all of them:
 *   EFAULT  the structure, or what it points to, cannot be read or written;
 *           elements already answered may have been written
 *   EINVAL  nel is more than MERGEMOD_MAX_NEL, or padding or flags are not 0,
 *           or start is beyond end, or the process has no memory of its own (a
 *           kernel thread), or pid is not positive
 *   EPERM   the caller has no CAP_SYS_PTRACE in the initial user namespace, or
 *           the process is not to be looked at by it
 *   ESRCH   no process pid, or it has given up its memory already
 *   EINTR   a fatal signal came before anything was done
 *   ENOMEM  no kernel memory
 *   ENOTTY  no such ioctl in this version of the module
 * pid is a process id as the caller sees it, in its own pid namespace.
 *
 * MERGEMOD_IOC_VERSION, struct mergemod_version: to be asked first.  Needs no
 *   capability.  Its number and layout never change; all else may if protocol
 *   does.
 *
 * MERGEMOD_IOC_PAGEINFOS, struct mergemod_pageinfos: the pages of pid from the
 *   one with the byte start up to the one with the byte end, in ascending
 *   order: only pages that could be merged as they are now, that is resident,
 *   anonymous, in private memory, not the zero page, not of a huge-page file
 *   system.  Nothing is faulted in.  At most nel elements are written; of each
 *   v_addr, p_addr, count and hash (0).  p_addr is 0 in all replies unless the
 *   caller has CAP_SYS_ADMIN.  found says how many; next is the first page that
 *   was not examined, 0 if all were.  found may be less than nel though next is
 *   not 0: go on from next.
 *
 * MERGEMOD_IOC_HASHPAGES, struct mergemod_hashpages: of each element v_addr is
 *   read, and p_addr, count and hash are written: hash is that of the whole
 *   page by function.  A page that PAGEINFOS would not list gets p_addr 0,
 *   count 0 and keeps its hash; it is not faulted in.  done elements were
 *   examined, hashed of them were hashed.  done may be less than nel after a
 *   signal: go on from there.  EINVAL also for an unknown function.
 *
 * MERGEMOD_IOC_READPAGES, struct mergemod_readpages: as HASHPAGES, but instead
 *   of hashing, page i is copied to buffer + i * page_size (of
 *   mergemod_version), for hash functions that the kernel does not have.
 *   hash is kept.  Bytes of pages that are not available are left alone.  The
 *   sharing of pages is not disturbed.  buffer has room for nel pages;
 *   buffer_size less than that is EINVAL.
 *
 * MERGEMOD_IOC_MERGE, struct mergemod_merge: of each pair, in order, the page
 *   spid/s_addr is replaced by the page dpid/d_addr if both have the same
 *   contents, and the frame of the former is given back if nobody else has it.
 *   Both stay private, copied on the next write.  The kernel compares while
 *   neither can be written.  status of each pair:
 *     0       they are one frame now, or were before
 *     EAGAIN  a page was locked by somebody else, or is moving: try again
 *     EBUSY   a page is pinned, or belongs to the kernel's own merging, or the
 *             limit of merged pages is reached
 *     EILSEQ  the contents differ
 *     EINVAL  no address of user space, a pid that is not positive, a kernel
 *             thread, or padding that is not 0
 *     ENXIO   a page is not there: not mapped, swapped out, the zero page, or
 *             of a kind that cannot be merged
 *     EPERM   a process is not to be changed by the caller
 *     ESRCH   no such process
 *   done pairs have a status, merged of them 0.  done may be less than nel
 *   after a signal.  EOPNOTSUPP if the module cannot merge on this kernel (no
 *   MERGEMOD_CAN_MERGE); then no status is written.
 */
#ifndef MERGEMOD_UAPI_H
#define MERGEMOD_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MERGEMOD_PROTOCOL	1

#define MERGEMOD_DEVICE		"/dev/mergemod"

/* Most elements in one call. */
#define MERGEMOD_MAX_NEL	4096

/* mergemod_version.features */
#define MERGEMOD_CAN_MERGE	(1u << 0)

struct mergemod_version {
	__u32 protocol;		/* out: MERGEMOD_PROTOCOL */
	__u32 features;		/* out: MERGEMOD_CAN_ */
	__u32 page_size;	/* out: bytes */
	__u32 padding;		/* out: 0 */
};

struct mergemod_page {
	__aligned_u64 v_addr;		/* virtual address of the page */
	__aligned_u64 p_addr;		/* physical address, 0 if not available */
	__aligned_u64 count;		/* how often the frame is mapped, 0 likewise */
	__aligned_u64 hash;
};

struct mergemod_pageinfos {
	__s32 pid;		/* in */
	__u32 flags;		/* in: 0 */
	__aligned_u64 start;		/* in: first byte */
	__aligned_u64 end;		/* in: last byte, inclusive */
	__aligned_u64 pages;	/* in: to nel struct mergemod_page */
	__u32 nel;		/* in: room there */
	__u32 found;		/* out: how many were written */
	__aligned_u64 next;		/* out: first page not examined, 0 if none */
};

/*
 * How to hash a page.  Words are 64 bits in the byte order of the machine.
 * XXH64 is the published function with seed 0 over the whole page.
 * ADDROTHALF starts with 0 and takes each word of the first half of the page:
 * rotate left by 7 bits, add the word.  CONST is 0.
 */
enum mergemod_hash {
	MERGEMOD_HASH_XXH64 = 1,
	MERGEMOD_HASH_ADDROTHALF = 2,
	MERGEMOD_HASH_CONST = 3,
};

struct mergemod_hashpages {
	__s32 pid;		/* in */
	__u32 function;		/* in: enum mergemod_hash */
	__aligned_u64 pages;	/* in: to nel struct mergemod_page, in and out */
	__u32 nel;		/* in */
	__u32 done;		/* out: how many were examined */
	__u32 hashed;		/* out: how many of them were available */
	__u32 padding;		/* in: 0 */
};

struct mergemod_readpages {
	__s32 pid;		/* in */
	__u32 flags;		/* in: 0 */
	__aligned_u64 pages;	/* in: to nel struct mergemod_page, in and out */
	__aligned_u64 buffer;	/* in: room for nel pages, word aligned */
	__aligned_u64 buffer_size;	/* in: bytes */
	__u32 nel;		/* in */
	__u32 done;		/* out: how many were examined */
	__u32 copied;		/* out: how many of them were available */
	__u32 padding;		/* in: 0 */
};

struct mergemod_pair {
	__s32 spid;		/* in: whose page is replaced */
	__s32 dpid;		/* in: whose page it becomes */
	__aligned_u64 s_addr;		/* in */
	__aligned_u64 d_addr;		/* in */
	__s32 status;		/* out: 0, or an errno, positive */
	__u32 padding;		/* in: 0 */
};

struct mergemod_merge {
	__aligned_u64 pairs;	/* in: to nel struct mergemod_pair, in and out */
	__u32 nel;		/* in */
	__u32 flags;		/* in: 0 */
	__u32 done;		/* out: how many have a status */
	__u32 merged;		/* out: how many of them are 0 */
};

#define MERGEMOD_IOC		0xBE
#define MERGEMOD_IOC_VERSION	_IOR(MERGEMOD_IOC, 0x00, struct mergemod_version)
#define MERGEMOD_IOC_PAGEINFOS	_IOWR(MERGEMOD_IOC, 0x01, struct mergemod_pageinfos)
#define MERGEMOD_IOC_HASHPAGES	_IOWR(MERGEMOD_IOC, 0x02, struct mergemod_hashpages)
#define MERGEMOD_IOC_READPAGES	_IOWR(MERGEMOD_IOC, 0x03, struct mergemod_readpages)
#define MERGEMOD_IOC_MERGE	_IOWR(MERGEMOD_IOC, 0x04, struct mergemod_merge)

#endif

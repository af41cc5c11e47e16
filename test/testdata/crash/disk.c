/* Records what a process does to one SQLite database, so that a power cut can be
 * played afterwards: which writes an fsync has made durable, and which were under
 * way. Preloaded, it stands between SQLite and the C library. It passes every call
 * on, an fsync with a delay; what it records outlives a kill in the page cache, as
 * the files do.
 *
 *   CRASH_DATABASE  its path; the files beside it have that and -wal, -journal
 *   CRASH_RECORD    file that records are appended to
 *   CRASH_AT        the process is killed instead of making this record; 0: never
 *
 * A record is the struct below and size octets. A write is recorded before it is
 * made: what was begun may have reached the disk. An fsync is recorded when it has
 * ended, with the number of records before its begin: only they are durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { CREATE = 1, WRITE, TRUNCATE, SYNC, REMOVE };

struct record {
	uint32_t op, size;
	uint64_t inode;
	uint64_t at; /* offset of WRITE, length of TRUNCATE, records before SYNC began */
};

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { SLOW = 10000 }; /* microseconds that an fsync takes at least, as on a SD card */

enum { FILES = 4096 };
static uint64_t inodes[FILES]; /* by file descriptor; 0: none of ours */
static uint64_t made;          /* records */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */

/* ours tells whether a path is the database, a file beside it or its directory.
 * What is in shared memory (-shm) does not outlast a power cut. */
static int ours(const char *path) {
	const char *database = getenv("CRASH_DATABASE");
	if (!database || !path)
		return 0;
	size_t n = strlen(database), folder = strrchr(database, '/') - database;
	if (!strncmp(path, database, n))
		return !path[n] || (path[n] == '-' && strcmp(path + n, "-shm"));
	return !strncmp(path, database, folder) && !path[folder];
}

/* record appends a record; the caller holds the lock. */
static void record(struct record r, const void *data) {
	static int out = -1;
	static uint64_t last;
	if (out < 0) {
		const char *at = getenv("CRASH_AT");
		last = at ? strtoull(at, NULL, 10) : 0;
		out = NEXT(open)(getenv("CRASH_RECORD"), O_WRONLY | O_APPEND | O_CLOEXEC);
	}
	made++;
	if (made == last)
		kill(getpid(), SIGKILL);
	struct iovec parts[] = {{&r, sizeof r}, {(void *)data, r.size}};
	if (writev(out, parts, 2) != (ssize_t)(sizeof r + r.size))
		abort();
}

/* entry records a change of the directory: CREATE or REMOVE. */
static void entry(enum op op, const char *path, uint64_t inode) {
	record((struct record){.op = op, .size = strlen(path), .inode = inode}, path);
}

static uint64_t inode(int fd) { return fd >= 0 && fd < FILES ? inodes[fd] : 0; }

int open64(const char *path, int flags, ...) {
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list more;
		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
	}
	if (!ours(path))
		return NEXT(open64)(path, flags, mode);
	pthread_mutex_lock(&lock);
	int fresh = access(path, F_OK) < 0;
	int fd = NEXT(open64)(path, flags, mode);
	struct stat info;
	if (fd >= 0 && fd < FILES && !fstat(fd, &info)) {
		inodes[fd] = info.st_ino;
		if (fresh)
			entry(CREATE, path, info.st_ino);
		if (flags & O_TRUNC)
			abort(); /* SQLite does not */
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

int close(int fd) {
	pthread_mutex_lock(&lock);
	if (inode(fd))
		inodes[fd] = 0;
	int done = NEXT(close)(fd);
	int why = errno;
	pthread_mutex_unlock(&lock);
	errno = why;
	return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
	if (!inode(fd))
		return NEXT(pwrite64)(fd, data, size, at);
	pthread_mutex_lock(&lock);
	record((struct record){.op = WRITE, .size = size, .inode = inodes[fd], .at = at}, data);
	ssize_t done = NEXT(pwrite64)(fd, data, size, at);
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t write(int fd, const void *data, size_t size) {
	if (inode(fd))
		abort(); /* SQLite writes at offsets, which pwrite does in one step */
	return NEXT(write)(fd, data, size);
}

int ftruncate64(int fd, off64_t size) {
	if (!inode(fd))
		return NEXT(ftruncate64)(fd, size);
	pthread_mutex_lock(&lock);
	record((struct record){.op = TRUNCATE, .inode = inodes[fd], .at = size}, "");
	int done = NEXT(ftruncate64)(fd, size);
	pthread_mutex_unlock(&lock);
	return done;
}

static int synced(int fd, int (*sync)(int)) {
	pthread_mutex_lock(&lock);
	struct record r = {.op = SYNC, .inode = inode(fd), .at = made};
	pthread_mutex_unlock(&lock);
	if (r.inode)
		usleep(SLOW);
	int done = sync(fd);
	if (done < 0 || !r.inode)
		return done;
	pthread_mutex_lock(&lock);
	record(r, "");
	pthread_mutex_unlock(&lock);
	return done;
}

int fsync(int fd) { return synced(fd, NEXT(fsync)); }
int fdatasync(int fd) { return synced(fd, NEXT(fdatasync)); }

int unlink(const char *path) {
	if (!ours(path))
		return NEXT(unlink)(path);
	pthread_mutex_lock(&lock);
	int there = !access(path, F_OK);
	if (there)
		entry(REMOVE, path, 0);
	int done = NEXT(unlink)(path);
	pthread_mutex_unlock(&lock);
	return done;
}

/* Faults that a healthy machine does not have, for the tests of the command line: preloaded into the program.
 * TESSERA_FAULT_READ=NAME: reading a file whose path ends so fails after its first block.
 * TESSERA_FAULT_THREADS=N: only N threads can be started.
 * TESSERA_FAULT_RENAME=plain: the file system knows no flags of rename; =nolink: nor links. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_sick(int file) {
  const char* name = getenv("TESSERA_FAULT_READ");
  char link[64];
  char path[4096];
  if (name == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < (ssize_t)strlen(name)) return 0;
  path[length] = 0;
  return strcmp(path + length - strlen(name), name) == 0;
}

ssize_t read(int file, void* out, size_t bytes) {
  ssize_t (*next)(int, void*, size_t) = (ssize_t(*)(int, void*, size_t))dlsym(RTLD_NEXT, "read");
  if (is_sick(file) && lseek(file, 0, SEEK_CUR) > 0) {
    errno = EIO;
    return -1;
  }
  return next(file, out, bytes);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  static int started = 0;
  int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) =
      (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))dlsym(RTLD_NEXT, "pthread_create");
  const char* most = getenv("TESSERA_FAULT_THREADS");
  if (most != NULL && started >= atoi(most)) return EAGAIN;
  ++started;
  return next(thread, attributes, run, argument);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  int (*next)(int, const char*, int, const char*, unsigned) =
      (int (*)(int, const char*, int, const char*, unsigned))dlsym(RTLD_NEXT, "renameat2");
  if (getenv("TESSERA_FAULT_RENAME") != NULL && flags != 0) {
    errno = EINVAL;
    return -1;
  }
  return next(from_folder, from, to_folder, to, flags);
}

int link(const char* from, const char* to) {
  int (*next)(const char*, const char*) = (int (*)(const char*, const char*))dlsym(RTLD_NEXT, "link");
  const char* fault = getenv("TESSERA_FAULT_RENAME");
  if (fault != NULL && strcmp(fault, "nolink") == 0) {
    errno = EPERM;
    return -1;
  }
  return next(from, to);
}

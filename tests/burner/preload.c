/* LD_PRELOAD front end: makes the paths named in $FB_DRIVES look like SCSI CD drives.
   FB_DRIVES="/dev/sr9=/path/of/medium/dir,/dev/sr8=/other/dir" */
#define _GNU_SOURCE
#include "mmc.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <scsi/sg.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define MAXFD 32
static struct fb_mmc *open_drives[MAXFD];
static int open_no[MAXFD];
static char last_dir[512];                       /* of the drive opened last, even if it is closed again */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(ret, name, ...) static ret (*real)(__VA_ARGS__); if (!real) real = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* drive number of a path, its medium directory in dir; -1 if not ours */
static int drive_of(const char *path, char *dir, size_t n)
{
  const char *s = getenv("FB_DRIVES");
  size_t pl = path ? strlen(path) : 0;
  for (int i = 0; s && *s && pl; i++, s += strcspn(s, ","), s += *s != 0)
    if (!strncmp(s, path, pl) && s[pl] == '=') {
      snprintf(dir, n, "%.*s", (int)strcspn(s + pl + 1, ","), s + pl + 1);
      return strncmp(path, "/dev/sr", 7) ? 90 + i : atoi(path + 7);
    }
  return -1;
}
/* asked for by the environment or by the fault file of the medium */
static int env_is(const char *k) { const char *v = getenv(k); return v && *v && *v != '0'; }
static int refused(const char *env, const char *dir, const char *key) { return env_is(env) || fb_fault(dir, key) > 0; }

static int fake_open(const char *path, int flags)
{
  char dir[512];
  int no = drive_of(path, dir, sizeof dir);
  if (no < 0) return -2;
  if (refused("FB_ABSENT", dir, "absent")) { errno = ENOENT; return -1; }
  if (refused("FB_EACCES", dir, "eacces")) { errno = EACCES; return -1; }
  if (refused("FB_EROFS", dir, "erofs") && (flags & O_ACCMODE) != O_RDONLY) { errno = EROFS; return -1; }
  if (refused("FB_EBUSY", dir, "ebusy") && (flags & O_EXCL)) { errno = EBUSY; return -1; }
  struct fb_mmc *m = malloc(sizeof *m);
  int fd = fb_open(m, dir, flags & O_EXCL);
  if (fd < 0) { free(m); errno = -fd; return -1; }
  if (!(flags & O_NONBLOCK) && (!m->d.profile || m->d.tray)) { fb_close(m); free(m); errno = ENOMEDIUM; return -1; }
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAXFD; i++)
    if (!open_drives[i]) { open_drives[i] = m; open_no[i] = no; break; }
  memcpy(last_dir, dir, sizeof dir);
  pthread_mutex_unlock(&lock);
  return fd;
}
static struct fb_mmc *by_fd(int fd, int *no)
{
  for (int i = 0; i < MAXFD; i++)
    if (open_drives[i] && open_drives[i]->sfd == fd) { if (no) *no = open_no[i]; return open_drives[i]; }
  return NULL;
}

#define OPEN_LIKE(name, extra) \
int name(const char *path, int flags, ...) { \
  va_list ap; va_start(ap, flags); mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; va_end(ap); \
  int fd = fake_open(path, flags); if (fd != -2) return fd; \
  REAL(int, name, const char *, int, ...); return real(path, flags extra, mode); }
OPEN_LIKE(open, )
OPEN_LIKE(open64, )
int __open_2(const char *path, int flags) { int fd = fake_open(path, flags); if (fd != -2) return fd; REAL(int, __open_2, const char *, int); return real(path, flags); }
int __open64_2(const char *path, int flags) { int fd = fake_open(path, flags); if (fd != -2) return fd; REAL(int, __open64_2, const char *, int); return real(path, flags); }

int close(int fd)
{
  REAL(int, close, int);
  for (int i = 0; i < MAXFD; i++)
    if (open_drives[i] && open_drives[i]->sfd == fd) {
      struct fb_mmc *m = open_drives[i];
      open_drives[i] = NULL;
      real(m->dfd);
      free(m);
      break;
    }
  return real(fd);
}

/* libburn sleeps between its questions to a drive, for seconds at each burn: this drive is HURRY times as
   fast as others. What a test wants to be slow sleeps by fb_sleep(). */
#define HURRY 20
int usleep(useconds_t us) { REAL(int, usleep, useconds_t); return real(us / HURRY); }
int nanosleep(const struct timespec *t, struct timespec *left)
{
  REAL(int, nanosleep, const struct timespec *, struct timespec *);
  long long ns = (t->tv_sec * 1000000000LL + t->tv_nsec) / HURRY;
  struct timespec short_t = { ns / 1000000000, ns % 1000000000 };
  return real(&short_t, left);
}
unsigned sleep(unsigned s) { usleep(s * 1000000); return 0; }

/* libisofs reads its sources by read(2), by whole blocks: a slow disk below them */
ssize_t read(int fd, void *buf, size_t n)
{
  REAL(ssize_t, read, int, void *, size_t);
  struct stat st;
  if (n >= 2048 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
    long us = fb_fault(last_dir, "source_delay_us");
    if (us > 0) fb_sleep(us);
  }
  return real(fd, buf, n);
}

static int fake_stat(const char *path, struct stat *st)
{
  char dir[512];
  int no = drive_of(path, dir, sizeof dir);
  if (no < 0) return -2;
  if (refused("FB_ABSENT", dir, "absent")) { errno = ENOENT; return -1; }
  memset(st, 0, sizeof *st);
  st->st_mode = S_IFBLK | 0660; st->st_rdev = makedev(11, no); st->st_nlink = 1; st->st_blksize = 4096;
  st->st_ino = 4000 + no; st->st_dev = 6;
  return 0;
}
#define STAT_LIKE(name) int name(const char *path, void *st) { \
  int r = fake_stat(path, st); if (r != -2) return r; REAL(int, name, const char *, void *); return real(path, st); }
#define XSTAT_LIKE(name) int name(int v, const char *path, void *st) { \
  int r = fake_stat(path, st); if (r != -2) return r; REAL(int, name, int, const char *, void *); return real(v, path, st); }
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
XSTAT_LIKE(__xstat) XSTAT_LIKE(__lxstat) XSTAT_LIKE(__xstat64) XSTAT_LIKE(__lxstat64)
int stat(const char *restrict path, struct stat *restrict st) { int r = fake_stat(path, st); if (r != -2) return r; REAL(int, stat, const char *, struct stat *); return real(path, st); }
int lstat(const char *restrict path, struct stat *restrict st) { int r = fake_stat(path, st); if (r != -2) return r; REAL(int, lstat, const char *, struct stat *); return real(path, st); }
int access(const char *path, int mode) { struct stat st; int r = fake_stat(path, &st); if (r != -2) return r; REAL(int, access, const char *, int); return real(path, mode); }

static int sg_io(struct fb_mmc *m, sg_io_hdr_t *h)
{
  uint32_t xfer = 0;
  h->status = h->masked_status = h->host_status = h->driver_status = h->sb_len_wr = 0;
  h->duration = 1; h->info = 0;
  int st = fb_exec(m, h->cmdp, h->cmd_len, h->dxferp, h->dxfer_len, &xfer);
  h->resid = h->dxfer_direction == SG_DXFER_FROM_DEV ? (int)(h->dxfer_len - xfer) : 0;
  if (st == FB_TRANSPORT) {
    const char *e = getenv("FB_LOST_ERRNO");          /* default: host_status DID_NO_CONNECT */
    int no = e && *e ? atoi(e) : (int)fb_fault(m->dir, "lost_errno");
    if (no > 0) { errno = no; return -1; }
    h->host_status = 1; h->info = SG_INFO_CHECK;
    return 0;
  }
  h->status = st; h->masked_status = st >> 1;
  if (st == FB_CHECK && h->sbp) {
    h->sb_len_wr = h->mx_sb_len < 18 ? h->mx_sb_len : 18;
    memcpy(h->sbp, m->sense, h->sb_len_wr);
    h->driver_status = 8; h->info = SG_INFO_CHECK;
  }
  return 0;
}
int ioctl(int fd, unsigned long req, ...)
{
  va_list ap;
  va_start(ap, req);
  void *arg = va_arg(ap, void *);
  va_end(ap);
  int no = 0, ok;
  struct fb_mmc *m = by_fd(fd, &no);
  if (!m) { REAL(int, ioctl, int, unsigned long, ...); return real(fd, req, arg); }
  switch (req & 0xffffffff) {
  case SG_IO: return sg_io(m, arg);
  case CDROM_DRIVE_STATUS: ok = fb_load_state(m); return !ok ? CDS_NO_INFO : m->d.tray ? CDS_TRAY_OPEN : m->d.profile ? CDS_DISC_OK : CDS_NO_DISC;
  case 0x5386: *(int *)arg = 90; return 0;                                   /* SCSI_IOCTL_GET_BUS_NUMBER */
  case 0x5382: ((int *)arg)[0] = no; ((int *)arg)[1] = 90; return 0;         /* SCSI_IOCTL_GET_IDLUN */
  case BLKGETSIZE: *(long *)arg = (long)m->d.capacity * 4; return 0;
  case CDROMEJECT: m->d.tray = 1; fb_save_state(m); return 0;
  case CDROMCLOSETRAY: m->d.tray = 0; fb_save_state(m); return 0;
  default: errno = ENOTTY; return -1;
  }
}

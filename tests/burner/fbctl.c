/* fbctl: make and inspect virtual media */
#define _GNU_SOURCE
#include "mmc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int usage(void)
{
  fputs("usage: fbctl new DIR TYPE [CAPACITY_BLOCKS] [key=value...]   make a (blank) medium, replacing the one in DIR\n"
        "       fbctl load DIR TYPE FILE [audio]                     closed read-only medium with the content of FILE\n"
        "       fbctl set DIR key=value...                           change state (tray, capacity, nwa, gap1, ...)\n"
        "       fbctl show DIR | eject DIR | insert DIR\n"
        "       fbctl swap DIR OTHER                                 exchange the media of two drives, whoever has them open\n"
        "types: none cd-rom cd-r cd-rw dvd-rom dvd-r dvd-rw dvd-rw-ro dvd-ram dvd+rw dvd+rw-virgin dvd+r bd-rom bd-r bd-re bd-re-virgin\n", stderr);
  return 2;
}
static void touch_state(const char *dir)
{
  char p[600];
  mkdir(dir, 0777);
  snprintf(p, sizeof p, "%s/state", dir);
  int fd = open(p, O_RDWR | O_CREAT, 0666);
  if (fd >= 0) close(fd);
}
static void apply(struct fb_mmc *m, int argc, char **argv)
{
  struct fb_disc *d = &m->d;
  for (int i = 0; i < argc; i++) {
    long v = 0;
    char *eq = strchr(argv[i], '=');
    if (!eq) continue;
    v = strtol(eq + 1, NULL, 0); *eq = 0;
    struct { const char *k; int *p; } f[] = { { "tray", &d->tray }, { "capacity", &d->capacity }, { "nwa", &d->nwa }, { "final", &d->final },
      { "gap1", &d->gap1 }, { "gapn", &d->gapn }, { "fmt", &d->fmt }, { "profile", &d->profile }, { "open_trk", &d->open_trk }, { "gen", &d->gen } };
    for (size_t k = 0; k < sizeof f / sizeof *f; k++) if (!strcmp(argv[i], f[k].k)) *f[k].p = v;
  }
}

/* Copies what is not a hole; the target is cut to the same length. */
static int copy_data(int from, int to)
{
  static char b[1 << 20];
  off_t size = lseek(from, 0, SEEK_END), at = 0;
  if (size < 0 || ftruncate(to, 0) || ftruncate(to, size)) return 0;
  while (at < size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
    off_t end = lseek(from, at, SEEK_HOLE);
    while (at < end) {
      ssize_t n = pread(from, b, end - at < (off_t)sizeof b ? (size_t)(end - at) : sizeof b, at);
      if (n <= 0 || pwrite(to, b, n, at) != n) return 0;
      at += n;
    }
  }
  return 1;
}
/* In place: the files stay the ones that a running xorriso has open. */
static int swap_media(struct fb_mmc *a, struct fb_mmc *b)
{
  FILE *f = tmpfile();
  if (!f || !copy_data(a->dfd, fileno(f)) || !copy_data(b->dfd, a->dfd) || !copy_data(fileno(f), b->dfd)) { perror("data"); return 0; }
  fclose(f);
  struct fb_disc d = a->d;
  a->d = b->d; b->d = d;
  int gen = (a->d.gen > b->d.gen ? a->d.gen : b->d.gen) + 1;       /* both drives notice a change */
  a->d.gen = b->d.gen = gen;
  a->d.tray = b->d.tray = 0;
  return 1;
}

int main(int argc, char **argv)
{
  struct fb_mmc m;
  if (argc < 3) return usage();
  const char *cmd = argv[1], *dir = argv[2];
  if (!strcmp(cmd, "new") || !strcmp(cmd, "load")) touch_state(dir);
  int fd = fb_open(&m, dir, 0);
  if (fd < 0) { fprintf(stderr, "fbctl: %s: %s\n", dir, strerror(-fd)); return 1; }
  flock(m.dfd, LOCK_EX);             /* until the end: no SCSI command runs meanwhile */
  fb_load_state(&m);
  if (!strcmp(cmd, "show")) {
    char b[FB_STATE_SIZE]; ssize_t n = pread(m.sfd, b, sizeof b, 0);
    while (n > 0 && b[n - 1] == '\n') n--;
    if (n > 0) printf("%.*s\n", (int)n, b);
    return 0;
  }
  if (!strcmp(cmd, "new") || !strcmp(cmd, "load")) {
    if (argc < 4 || !fb_media_defaults(&m.d, argv[3])) return usage();
    if (ftruncate(m.dfd, 0)) perror("data");
    if (!strcmp(cmd, "load")) {
      static char b[1 << 20];
      int in = argc > 4 ? open(argv[4], O_RDONLY) : -1;
      if (in < 0) { perror(argc > 4 ? argv[4] : "file"); return 1; }
      long long total = 0;
      for (ssize_t n; (n = read(in, b, sizeof b)) > 0; total += n) if (pwrite(m.dfd, b, n, total) != n) { perror("data"); return 1; }
      int blocks = (total + 2047) / 2048;
      m.d.capacity = m.d.capacity > blocks ? m.d.capacity : blocks;
      m.d.final = m.d.nsess = m.d.ntrk = 1; m.d.nwa = blocks;
      m.d.t[0] = (struct fb_track){ 1, 0, blocks, argc > 5 && !strcmp(argv[5], "audio") };
    } else {
      int a = 4;
      if (argc > 4 && !strchr(argv[4], '=')) m.d.capacity = atoi(argv[a++]);
      apply(&m, argc - a, argv + a);
    }
  } else if (!strcmp(cmd, "set")) apply(&m, argc - 3, argv + 3);
  else if (!strcmp(cmd, "swap")) {
    struct fb_mmc o;
    if (argc < 4) return usage();
    if ((fd = fb_open(&o, argv[3], 0)) < 0) { fprintf(stderr, "fbctl: %s: %s\n", argv[3], strerror(-fd)); return 1; }
    flock(o.dfd, LOCK_EX);
    fb_load_state(&o);
    if (!swap_media(&m, &o)) return 1;
    fb_save_state(&o);
  }
  else if (!strcmp(cmd, "eject")) m.d.tray = 1;
  else if (!strcmp(cmd, "insert")) { m.d.tray = 0; m.d.gen++; }
  else return usage();
  fb_save_state(&m);
  return 0;
}

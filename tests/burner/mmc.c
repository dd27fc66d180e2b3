#define _GNU_SOURCE
#include "mmc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ helpers */
static void be16(uint8_t *p, unsigned v) { p[0] = v >> 8; p[1] = v; }
static void be32(uint8_t *p, unsigned v) { p[0] = v >> 24; p[1] = v >> 16; p[2] = v >> 8; p[3] = v; }
static unsigned rd16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static unsigned rd32(const uint8_t *p) { return (unsigned)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static void msf(uint8_t *p, int lba) { lba += 150; p[0] = 0; p[1] = lba / 4500; p[2] = lba / 75 % 60; p[3] = lba % 75; }
static int is_cd(int p) { return p >= P_CDROM && p <= P_CDRW; }
static int is_rom(int p) { return p == P_CDROM || p == P_DVDROM || p == P_BDROM; }
int fb_overwritable(int p) { return p == P_DVDRAM || p == P_DVDRW_RO || p == P_DVDPRW || p == P_BDRE; }
static int seqable(int p) { return p && !fb_overwritable(p) && !is_rom(p); }
static int granule(int p) { return p == P_BDR ? 32 : is_cd(p) ? 1 : 16; }

static const struct { const char *name; int profile, capacity, fmt, gap1, gapn; } media[] = {
  /* gaps: CD = lead-out + lead-in + pre-gap of the CD standard; DVD-R/-RW = derived from the
     example disc in libisoburn's doc/qemu_xorriso.wiki; DVD+R and BD-R = assumptions */
  { "none", 0, 0, 0, 0, 0 },                     { "cd-rom", P_CDROM, 359847, 3, 0, 0 },
  { "cd-r", P_CDR, 359847, 0, 11400, 6900 },     { "cd-rw", P_CDRW, 359847, 0, 11400, 6900 },
  { "dvd-rom", P_DVDROM, 2295104, 3, 0, 0 },     { "dvd-r", P_DVDR, 2298496, 0, 28688, 6160 },
  { "dvd-rw", P_DVDRW, 2298496, 0, 28688, 6160 },{ "dvd-rw-ro", P_DVDRW_RO, 2298496, 3, 0, 0 },
  { "dvd-ram", P_DVDRAM, 2236704, 3, 0, 0 },     { "dvd+rw", P_DVDPRW, 2295104, 3, 0, 0 },
  { "dvd+rw-virgin", P_DVDPRW, 2295104, 0, 0, 0 },{ "dvd+r", P_DVDPR, 2295104, 0, 2048, 2048 },
  { "bd-rom", P_BDROM, 12219392, 3, 0, 0 },      { "bd-r", P_BDR, 12219392, 0, 0, 0 },
  { "bd-re", P_BDRE, 11826176, 3, 0, 0 },        { "bd-re-virgin", P_BDRE, 11826176, 0, 0, 0 },
};
int fb_media_defaults(struct fb_disc *d, const char *name)
{
  for (size_t i = 0; i < sizeof media / sizeof *media; i++)
    if (!strcmp(media[i].name, name)) {
      int gen = d->gen;
      memset(d, 0, sizeof *d);
      d->gen = gen + 1; d->profile = media[i].profile; d->capacity = media[i].capacity;
      d->fmt = media[i].fmt; d->gap1 = media[i].gap1; d->gapn = media[i].gapn;
      return 1;
    }
  return 0;
}

/* ---------------------------------------------------------- persistent state */
#define FIELDS(X) X(gen) X(profile) X(capacity) X(tray) X(final) X(nsess) X(ntrk) X(open_sess) X(open_trk) \
  X(open_start) X(nwa) X(reserved) X(fmt) X(gap1) X(gapn)
int fb_load_state(struct fb_mmc *m)
{
  char b[FB_STATE_SIZE + 1], *l, *save;
  ssize_t n = pread(m->sfd, b, FB_STATE_SIZE, 0);
  if (n <= 0) return 0;
  b[n] = 0;
  struct fb_disc *d = &m->d;
  memset(d, 0, sizeof *d);
  for (l = strtok_r(b, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
    int i, s, a, z, f;
    if (sscanf(l, "track%d=%d,%d,%d,%d", &i, &s, &a, &z, &f) == 5 && i > 0 && i <= FB_MAXTRK)
      d->t[i - 1] = (struct fb_track){ s, a, z, f };
#define X(k) else if (!strncmp(l, #k "=", sizeof #k)) d->k = strtol(l + sizeof #k, NULL, 0);
    FIELDS(X)
#undef X
  }
  return 1;
}
void fb_save_state(struct fb_mmc *m)
{                                   /* one pwrite of fixed size: survives SIGKILL as a whole */
  char b[FB_STATE_SIZE];
  int n = 0;
  struct fb_disc *d = &m->d;
  memset(b, '\n', sizeof b);
#define X(k) n += snprintf(b + n, sizeof b - n, "%s=%d\n", #k, d->k);
  FIELDS(X)
#undef X
  for (int i = 0; i < d->ntrk && n < FB_STATE_SIZE - 64; i++)
    n += snprintf(b + n, sizeof b - n, "track%d=%d,%d,%d,%d\n", i + 1, d->t[i].session, d->t[i].start, d->t[i].size, d->t[i].flags);
  b[n] = '\n';
  if (pwrite(m->sfd, b, sizeof b, 0) < 0) perror("virtual burner: state");
}
int fb_open(struct fb_mmc *m, const char *dir, int excl)
{
  char p[600];
  memset(m, 0, sizeof *m);
  m->dfd = -1;
  snprintf(m->dir, sizeof m->dir, "%s", dir);
  snprintf(p, sizeof p, "%s/state", dir);
  m->sfd = open(p, O_RDWR | O_CLOEXEC);
  if (m->sfd < 0) return -errno;
  if (excl && flock(m->sfd, LOCK_EX | LOCK_NB)) { close(m->sfd); m->sfd = -1; return -EBUSY; }
  snprintf(p, sizeof p, "%s/data", dir);
  m->dfd = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (m->dfd < 0) { int e = errno; close(m->sfd); return -e; }
  fb_load_state(m);
  m->seen_gen = m->d.gen;
  m->mp5[0] = 5; m->mp5[1] = 0x32; m->mp5[2] = 1; m->mp5[3] = 4; m->mp5[4] = 8;
  return m->sfd;
}
void fb_close(struct fb_mmc *m)
{
  if (m->dfd >= 0) close(m->dfd);
  if (m->sfd >= 0) close(m->sfd);
  m->sfd = m->dfd = -1;
}

/* ----------------------------------------------------------- fault injection
   From $FB_FAULT and the file DIR/fault: key=value pairs, separated by , or newline. */
long fb_fault(const char *dir, const char *key)
{
  char b[1024], p[600];
  const char *src[2] = { getenv("FB_FAULT"), NULL };
  snprintf(p, sizeof p, "%s/fault", dir);
  int fd = open(p, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t n = read(fd, b, sizeof b - 1);
    close(fd);
    if (n > 0) { b[n] = 0; src[1] = b; }
  }
  size_t kl = strlen(key);
  for (int i = 0; i < 2; i++)
    for (const char *s = src[i]; s && *s; s += strcspn(s, ",\n"), s += *s != 0)
      if (!strncmp(s, key, kl) && s[kl] == '=') return strtol(s + kl + 1, NULL, 0);
  return -1;
}
static long fault(struct fb_mmc *m, const char *key) { return fb_fault(m->dir, key); }
static int sense(struct fb_mmc *m, int key, int asc, int ascq)
{
  memset(m->sense, 0, sizeof m->sense);
  m->sense[0] = 0x70; m->sense[2] = key; m->sense[7] = 10; m->sense[12] = asc; m->sense[13] = ascq;
  return FB_CHECK;
}
static void be_busy(struct fb_mmc *m, int polls, int ascq) { m->busy = m->busy_total = polls; m->busy_ascq = ascq; }

/* ------------------------------------------------------------- medium model */
static int loaded(struct fb_mmc *m) { return m->d.profile && !m->d.tray; }
static int is_blank(struct fb_disc *d) { return seqable(d->profile) && !d->ntrk && !d->open_trk && !d->final; }
static int written_end(struct fb_disc *d)   /* number of readable blocks */
{
  if (fb_overwritable(d->profile)) return d->fmt ? d->capacity : 0;
  if (d->open_trk) return d->nwa;
  return d->ntrk ? d->t[d->ntrk - 1].start + d->t[d->ntrk - 1].size : 0;
}
static int free_blocks(struct fb_disc *d)
{
  int f = d->capacity - d->nwa;
  if (d->reserved) f = d->reserved - (d->nwa - d->open_start);
  return f > 0 && !d->final ? f : 0;
}
static void close_track(struct fb_disc *d, int cd_tao)
{
  if (!d->open_trk || d->ntrk >= FB_MAXTRK) return;
  struct fb_track *t = &d->t[d->ntrk++];
  int g = granule(d->profile), size = d->nwa - d->open_start;
  if (d->reserved > size) size = d->reserved;
  size = (size + g - 1) / g * g + (cd_tao ? 2 : 0);
  *t = (struct fb_track){ d->nsess + 1, d->open_start, size, cd_tao ? 2 : 0 };
  d->nwa = d->open_start + size;
  d->open_trk = d->reserved = 0;
  d->open_start = d->nwa;
}
static void close_session(struct fb_disc *d, int multi)
{
  if (!d->open_sess) return;
  d->nwa += d->nsess ? d->gapn : d->gap1;
  d->open_start = d->nwa;
  d->nsess++;
  d->open_sess = 0;
  if (!multi || d->nwa >= d->capacity) d->final = 1;
}
static void erase(struct fb_mmc *m)
{
  if (ftruncate(m->dfd, 0)) perror("virtual burner: data");
}
static void make_blank(struct fb_mmc *m)
{
  struct fb_disc *d = &m->d;
  d->final = d->nsess = d->ntrk = d->open_sess = d->open_trk = d->open_start = d->nwa = d->reserved = 0;
  memset(d->t, 0, sizeof d->t);
  erase(m);
}


/* ------------------------------------------------------------ data transfer */
static int do_read(struct fb_mmc *m, int lba, int n, uint8_t *buf, uint32_t len, uint32_t *xfer, int bsize)
{
  struct fb_disc *d = &m->d;
  long bad = fault(m, "read_error"), cnt = fault(m, "read_error_count");
  if (n == 0) return FB_GOOD;
  if (fb_overwritable(d->profile) && !d->fmt) return sense(m, 3, 0x30, 0x02);
  if (lba < 0 || (long long)lba + n > written_end(d)) return sense(m, 5, 0x21, 0);
  if (cnt < 1) cnt = 1;
  for (int i = lba; i < lba + n; i++) {
    if (bad >= 0 && i >= bad && i < bad + cnt) return sense(m, 3, 0x11, 0x00);
    for (int k = 0; k < d->ntrk; k++) {
      struct fb_track *t = &d->t[k];
      if (i < t->start || i >= t->start + t->size) continue;
      if ((t->flags & 1) && bsize == 2048) return sense(m, 5, 0x64, 0);
      if ((t->flags & 2) && i >= t->start + t->size - 2) return sense(m, 3, 0x11, 0x05);
    }
  }
  for (int i = 0; i < n && (uint32_t)(i + 1) * bsize <= len; i++) {
    ssize_t r = pread(m->dfd, buf + (size_t)i * bsize, 2048, (off_t)(lba + i) * 2048);
    if (r < 0) r = 0;
    memset(buf + (size_t)i * bsize + r, 0, bsize - r);
    *xfer = (i + 1) * bsize;
  }
  return FB_GOOD;
}
static int do_write(struct fb_mmc *m, int lba, int n, const uint8_t *buf, uint32_t len)
{
  struct fb_disc *d = &m->d;
  long f;
  if (n == 0) return FB_GOOD;
  if (is_rom(d->profile) || (d->final && seqable(d->profile))) return sense(m, 5, 0x30, 0x05);
  if (fault(m, "write_protect") > 0) return sense(m, 7, 0x27, 0);
  if ((f = fault(m, "write_error")) >= 0 && f >= lba && f < lba + n) return sense(m, 3, 0x0c, 0x00);
  if ((f = fault(m, "hardware_error")) >= 0 && f >= lba && f < lba + n) return sense(m, 4, 0x09, 0x01);
  if ((f = fault(m, "eject_at")) >= 0 && f >= lba && f < lba + n) { d->tray = 1; fb_save_state(m); return sense(m, 2, 0x3a, 0x02); }
  if ((f = fault(m, "lost_at")) >= 0 && f >= lba && f < lba + n) { m->lost = 1; return FB_TRANSPORT; }
  if (fb_overwritable(d->profile)) {
    if (!d->fmt) return sense(m, 3, 0x31, 0x00);
    if (lba < 0 || lba + n > d->capacity) return sense(m, 5, 0x21, 0);
  } else {
    if (is_cd(d->profile) && lba < 0) return FB_GOOD;              /* SAO pre-gap */
    if (lba != d->nwa) return sense(m, 5, 0x21, 0x02);
    if (n > free_blocks(d)) return sense(m, 5, 0x63, 0x00);
    if (!d->open_trk) { d->open_trk = d->open_sess = 1; d->open_start = lba; }
  }
  int bs = len / n >= 2048 ? (int)(len / n) : 2048;
  for (int i = 0; i < n && (uint32_t)(i + 1) * bs <= len; i++)
    if (pwrite(m->dfd, buf + (size_t)i * bs, 2048, (off_t)(lba + i) * 2048) != 2048) return sense(m, 3, 0x0c, 0);
  if (seqable(d->profile)) { d->nwa += n; fb_save_state(m); }
  return FB_GOOD;
}

/* -------------------------------------------------------------- inquiries */
static const int all_profiles[] = { 0x43, 0x41, 0x40, 0x1b, 0x1a, 0x14, 0x13, 0x12, 0x11, 0x10, 0x0a, 0x09, 0x08 };

static int feature(uint8_t *p, int code, int current, const uint8_t *body, int blen)
{
  be16(p, code);
  p[2] = current ? 1 : 0;
  if (code < 4) p[2] |= 2;
  p[3] = blen;
  memcpy(p + 4, body, blen);
  return 4 + blen;
}
static int get_configuration(struct fb_mmc *m, uint8_t *r)
{
  int cur = loaded(m) ? m->d.profile : 0, cd = is_cd(cur), n = 8, i;
  uint8_t b[128] = { 0 };
  be16(r + 6, cur);
  for (i = 0; i < (int)(sizeof all_profiles / sizeof *all_profiles); i++) {
    be16(b + 4 * i, all_profiles[i]);
    b[4 * i + 2] = all_profiles[i] == cur;
    b[4 * i + 3] = 0;
  }
  n += feature(r + n, 0x0000, 1, b, 4 * i);
  n += feature(r + n, 0x0001, 1, (uint8_t[]){ 0, 0, 0, 7, 1, 0, 0, 0 }, 8);
  n += feature(r + n, 0x0003, 1, (uint8_t[]){ 0x29, 0, 0, 0 }, 4);
  n += feature(r + n, 0x0010, cur != 0, (uint8_t[]){ 0, 0, 8, 0, 0, granule(cur), 1, 0 }, 8);
  n += feature(r + n, 0x001e, cd, (uint8_t[]){ 0, 0, 0, 0 }, 4);
  n += feature(r + n, 0x001f, cur >= 0x10 && cur < 0x40, (uint8_t[]){ 1, 0, 1, 0 }, 4);
  memset(b, 0, sizeof b);
  be32(b, m->d.capacity ? m->d.capacity - 1 : 0); b[6] = 8; b[9] = granule(cur); b[10] = 1;
  n += feature(r + n, 0x0020, fb_overwritable(cur), b, 12);
  n += feature(r + n, 0x0021, cur == P_CDR || cur == P_CDRW || cur == P_DVDR || cur == P_DVDRW, (uint8_t[]){ 0, 0, 0, 1, 16, 0, 0, 0 }, 8);
  n += feature(r + n, 0x0023, cur == P_BDRE || cur == P_DVDRAM, (uint8_t[]){ 0x0e, 0, 0, 0, 0, 0, 0, 0 }, 8);
  n += feature(r + n, 0x002a, cur == P_DVDPRW, (uint8_t[]){ 1, 0, 0, 0 }, 4);
  n += feature(r + n, 0x002b, cur == P_DVDPR, (uint8_t[]){ 1, 0, 0, 0 }, 4);
  n += feature(r + n, 0x002d, cur == P_CDR || cur == P_CDRW, (uint8_t[]){ 0x46, 0, 0xff, 0xff }, 4);
  n += feature(r + n, 0x002e, cur == P_CDR || cur == P_CDRW, (uint8_t[]){ 0x6c, 0, 0, 0 }, 4);
  n += feature(r + n, 0x002f, cur == P_DVDR || cur == P_DVDRW, (uint8_t[]){ 0x46, 0, 0, 0 }, 4);
  n += feature(r + n, 0x0040, cur >= 0x40, (uint8_t[28]){ 0 }, 28);
  n += feature(r + n, 0x0041, cur == P_BDR || cur == P_BDRE, (uint8_t[20]){ 0 }, 20);
  n += feature(r + n, 0x0107, 1, (uint8_t[]){ 0x1e, 0, 0, 0 }, 4);
  n += feature(r + n, 0x0108, 1, (const uint8_t *)"FAKE00000001", 12);
  be32(r, n - 4);
  return n;
}
static int disc_info(struct fb_mmc *m, uint8_t *r)
{
  struct fb_disc *d = &m->d;
  int st, last, ns = d->nsess, nt = d->ntrk;
  if (fb_overwritable(d->profile) || is_rom(d->profile)) {
    st = d->fmt ? 2 : 0; last = d->fmt ? 3 : 0; if (ns < 1) ns = 1; if (nt < 1) nt = 1;
  } else if (is_blank(d)) { st = 0; last = 0; ns = nt = 1; }
  else if (d->final) { st = 2; last = 3; }
  else { st = 1; last = d->open_sess ? 1 : 0; ns++; nt++; }
  be16(r, 32);
  r[2] = st | last << 2 | (fb_overwritable(d->profile) || d->profile == P_CDRW || d->profile == P_DVDRW ? 0x10 : 0);
  r[3] = 1; r[4] = ns; r[9] = ns >> 8;
  r[5] = 1; r[6] = nt; r[11] = nt >> 8;
  for (int i = 0; st == 1 && i < d->ntrk; i++) if (d->t[i].session == ns) { r[5] = i + 1; break; }
  r[7] = 0x20 | (d->profile == P_DVDPRW ? d->fmt : 0);
  if (is_cd(d->profile)) { msf(r + 16, st == 2 ? -150 : -11635); r[16] = 0; msf(r + 20, d->capacity); }
  else { be32(r + 16, d->nwa); be32(r + 20, d->capacity); }
  if (st == 2) memset(r + 16, 0xff, 8);
  return 34;
}
static int track_info(struct fb_mmc *m, const uint8_t *c, uint8_t *r)
{
  struct fb_disc *d = &m->d;
  int a = rd32(c + 2), n = 0;
  if ((c[1] & 3) == 1) n = a == 0xff ? d->ntrk + 1 : a;
  else if ((c[1] & 3) == 0) { for (n = 1; n <= d->ntrk && a >= d->t[n - 1].start + d->t[n - 1].size; n++); }
  else { for (n = 1; n <= d->ntrk && d->t[n - 1].session < a; n++); }
  if (fb_overwritable(d->profile)) {
    if (n > 1) return -1;
    r[2] = 1; r[3] = 1; r[5] = 4; r[6] = 1 | (d->fmt ? 0 : 0x40); r[7] = 0;
    be32(r + 16, 0); be32(r + 20, granule(d->profile)); be32(r + 24, d->capacity); be32(r + 28, d->capacity - 1);
  } else if (n >= 1 && n <= d->ntrk) {
    struct fb_track *t = &d->t[n - 1];
    r[2] = n; r[3] = t->session; r[32] = n >> 8; r[33] = t->session >> 8;
    r[5] = t->flags & 1 ? 0 : 4; r[6] = t->flags & 1 ? 0x0f : 1;
    be32(r + 8, t->start); be32(r + 20, granule(d->profile)); be32(r + 24, t->size);
    be32(r + 28, t->start + t->size - (t->flags & 2) - 1);
  } else if (n == d->ntrk + 1 && !d->final && seqable(d->profile)) {
    int damaged = d->open_trk && fault(m, "damaged") > 0;
    r[2] = n; r[3] = d->nsess + 1; r[32] = n >> 8; r[33] = (d->nsess + 1) >> 8;
    r[5] = 4 | (damaged ? 0x20 : 0); r[6] = 1 | (d->open_trk ? 0 : 0x40) | (d->reserved ? 0x80 : 0); r[7] = damaged ? 0 : 1;
    be32(r + 8, d->open_trk || d->reserved ? d->open_start : d->nwa);
    be32(r + 12, d->nwa); be32(r + 16, free_blocks(d)); be32(r + 20, granule(d->profile));
    be32(r + 24, d->open_trk ? d->capacity - d->open_start : free_blocks(d));
    be32(r + 28, d->nwa ? d->nwa - 1 : 0);
  } else return -1;
  be16(r, 34);
  return 36;
}
static int read_toc(struct fb_mmc *m, const uint8_t *c, uint8_t *r)
{
  struct fb_disc *d = &m->d;
  int fmt = c[2] & 15, ms = c[1] & 2, n = 4, nt = d->ntrk, end = written_end(d);
  struct fb_track one = { 1, 0, d->capacity, 0 }, *t = d->t;
  if (!fmt) fmt = c[9] >> 6;
  if (fmt == 4 && (d->profile == P_CDR || d->profile == P_CDRW)) {          /* ATIP */
    r[4] = 0xc0 | 4; r[6] = d->profile == P_CDRW ? 0xc0 : 0x80; r[8] = 97; r[9] = 26; r[10] = 65; r[12] = 79; r[13] = 59; r[14] = 72;
    be16(r, 26); return 28;
  }
  if (fb_overwritable(d->profile)) { if (!d->fmt) return -1; t = &one; nt = 1; }
  if (nt < 1) return -1;
  r[2] = 1;
  if (fmt == 0) {
    r[3] = nt;
    for (int i = c[6] == 0xaa ? nt : c[6] ? c[6] - 1 : 0; i <= nt; i++, n += 8) {
      r[n + 1] = i < nt && (t[i].flags & 1) ? 0x10 : 0x14; r[n + 2] = i < nt ? i + 1 : 0xaa;
      if (ms) msf(r + n + 4, i < nt ? t[i].start : end); else be32(r + n + 4, i < nt ? t[i].start : end);
    }
  } else if (fmt == 1) {                                     /* first track of last complete session */
    int s = t == &one ? 1 : d->nsess, i = 0;
    while (i < nt - 1 && t[i].session != s) i++;
    r[3] = s; n = 12; r[5] = 0x14; r[6] = i + 1;
    if (ms) msf(r + 8, t[i].start); else be32(r + 8, t[i].start);
  } else if (fmt == 2 && is_cd(d->profile)) {                /* full TOC */
    r[3] = d->nsess;
    for (int s = 1; s <= d->nsess; s++) {
      int f = -1, l = -1;
      for (int i = 0; i < nt; i++) if (t[i].session == s) { if (f < 0) f = i; l = i; }
      if (f < 0) continue;
      for (int k = 0; k < 3; k++, n += 11) {
        r[n] = s; r[n + 1] = 0x14; r[n + 3] = 0xa0 + k;
        if (k < 2) r[n + 8] = k ? l + 1 : f + 1;
        else { uint8_t q[4]; msf(q, t[l].start + t[l].size); memcpy(r + n + 8, q + 1, 3); }
      }
      for (int i = f; i <= l; i++, n += 11) {
        uint8_t q[4]; msf(q, t[i].start);
        r[n] = s; r[n + 1] = t[i].flags & 1 ? 0x10 : 0x14; r[n + 3] = i + 1; memcpy(r + n + 8, q + 1, 3);
      }
    }
  } else return -1;
  be16(r, n - 2);
  return n;
}
static int speeds(int p, int *v)            /* write speeds in kB/s, fastest first */
{
  if (p >= 0x40) { v[0] = 26970; v[1] = 17980; v[2] = 8990; return 3; }
  if (p >= 0x10) { v[0] = 22160; v[1] = 11080; v[2] = 5540; return 3; }
  v[0] = 7056; v[1] = 4234; v[2] = 1764; return 3;
}
static int get_performance(struct fb_mmc *m, const uint8_t *c, uint8_t *r)
{
  int v[4], k = speeds(m->d.profile, v), n = 8;
  if (c[10] == 3) for (int i = 0; i < k; i++, n += 16) { be32(r + n + 4, m->d.capacity); be32(r + n + 8, v[0]); be32(r + n + 12, v[i]); }
  else { be32(r + n + 4, v[0]); be32(r + n + 8, m->d.capacity); be32(r + n + 12, v[0]); n += 16; }
  be32(r, n - 4);
  return n;
}
static int mode_sense(struct fb_mmc *m, int page, uint8_t *r)
{
  uint8_t *p = r + 8;
  int v[4], n;
  memset(p, 0, 64);
  if (page == 5) { memcpy(p, m->mp5, 52); n = 52; }
  else if (page == 1) { p[0] = 1; p[1] = 10; p[3] = 5; n = 12; }
  else if (page == 0x2a) {
    int k = speeds(m->d.profile, v);
    p[0] = 0x2a; p[2] = 0x3b; p[3] = 0x37; p[4] = 0xf1; p[5] = 0x77; p[6] = 0x29; p[7] = 0x23;
    be16(p + 8, v[0]); be16(p + 12, 4096); be16(p + 14, v[0]); be16(p + 18, v[0]); be16(p + 20, v[0]); be16(p + 28, v[0]); be16(p + 30, k);
    for (int i = 0; i < k; i++) be16(p + 34 + 4 * i, v[i]);
    n = 32 + 4 * k; p[1] = n - 2;
  } else if (page == 0x0e) { p[0] = 0x0e; p[1] = 14; n = 16; }
  else return -1;
  be16(r, n + 6);
  return n + 8;
}
static int format_capacities(struct fb_mmc *m, uint8_t *r)
{
  struct fb_disc *d = &m->d;
  int n = 4, p = d->profile;
  be32(r + n, d->capacity); r[n + 4] = fb_overwritable(p) ? (d->fmt ? 2 : 1) : is_blank(d) ? 1 : d->ntrk ? 2 : 3; r[n + 6] = 8; n += 8;
#define DESC(sz, type, tdp) (be32(r + n, sz), be32(r + n + 4, (tdp)), r[n + 4] = (type) << 2, n += 8)
  if (p == P_BDRE) { DESC(d->capacity, 0x00, 0x3000); DESC(d->capacity, 0x30, 0x3000); DESC(d->capacity + 393216, 0x31, 0x800); }
  else if (p == P_DVDPRW) DESC(d->capacity, 0x26, 0);
  else if (p == P_DVDRAM) DESC(d->capacity, 0x00, 0x800);
  else if (p == P_DVDRW || p == P_DVDRW_RO) { DESC(d->capacity, 0x00, 16); DESC(d->capacity, 0x10, 16); DESC(d->capacity, 0x15, 16); }
  else if (p == P_BDR && is_blank(d)) { DESC(d->capacity - 393216, 0x00, 0x3000); DESC(d->capacity - 393216, 0x32, 0); }
  r[3] = n - 4;
  return n;
}

/* ----------------------------------------------------------------- dispatch */
static int reply(const uint8_t *r, int n, unsigned alloc, uint8_t *buf, uint32_t len, uint32_t *xfer)
{
  uint32_t k = n;
  if (k > alloc) k = alloc;
  if (k > len) k = len;
  memcpy(buf, r, k);
  *xfer = k;
  return FB_GOOD;
}
static int exec(struct fb_mmc *m, const uint8_t *c, uint8_t *buf, uint32_t len, uint32_t *xfer)
{
  static uint8_t r[4096];
  struct fb_disc *d = &m->d;
  int op = c[0], n;
  long f;
  memset(r, 0, sizeof r);

  if (m->lost) return FB_TRANSPORT;
  if (op == 0x12) {                                                   /* INQUIRY */
    if (c[1] & 1) return sense(m, 5, 0x24, 0);
    r[0] = 5; r[1] = 0x80; r[2] = 5; r[3] = 2; r[4] = 31;
    memcpy(r + 8, "FAKE    BURNER          0.01", 28);
    return reply(r, 36, c[4], buf, len, xfer);
  }
  if (op == 0x03) { memcpy(r, m->sense, 18); if (!r[0]) r[0] = 0x70; memset(m->sense, 0, 18); return reply(r, 18, c[4], buf, len, xfer); }
  if (fault(m, "reservation") > 0) return FB_CONFLICT;
  if (d->gen != m->seen_gen) { m->seen_gen = d->gen; m->ua = 1; }
  if (op == 0x46) { n = get_configuration(m, r); return reply(r, n, rd16(c + 7), buf, len, xfer); }
  if (op == 0x4a) { be16(r, 6); r[2] = 4; r[3] = 0x10; r[4] = m->ua ? 2 : 0; r[5] = (d->tray ? 1 : 0) | (loaded(m) ? 2 : 0); return reply(r, 8, rd16(c + 7), buf, len, xfer); }
  if (m->ua) { m->ua = 0; return sense(m, 6, 0x28, 0); }
  switch (op) {
  case 0x1b:                                                          /* START STOP UNIT */
    if ((c[4] & 3) == 2) {
      if (m->prevent) return sense(m, 5, 0x53, 2);
      d->tray = 1; fb_save_state(m);
    } else if ((c[4] & 3) == 3 && d->tray && fault(m, "no_load") <= 0) { d->tray = 0; fb_save_state(m); }
    return FB_GOOD;
  case 0x1e: m->prevent = c[4] & 1; return FB_GOOD;
  case 0x5a: case 0x1a:
    n = mode_sense(m, c[2] & 0x3f, r);
    if (n >= 8 && op == 0x1a) { n -= 4; memmove(r + 4, r + 8, n - 4); memset(r, 0, 4); r[0] = n - 1; }   /* 4 byte header */
    return n < 0 ? sense(m, 5, 0x24, 0) : reply(r, n, op == 0x5a ? rd16(c + 7) : c[4], buf, len, xfer);
  case 0x55:                                                          /* MODE SELECT */
    if (len >= 10 && (buf[8] & 0x3f) == 5) memcpy(m->mp5, buf + 8, len - 8 < sizeof m->mp5 ? len - 8 : sizeof m->mp5);
    return FB_GOOD;
  case 0xac: n = get_performance(m, c, r); return reply(r, n, 8 + 16 * rd16(c + 8), buf, len, xfer);
  case 0xb6: case 0xbb: return FB_GOOD;                               /* SET STREAMING, SET CD SPEED */
  case 0x5c: be16(r, 10); be32(r + 4, 4 << 20); be32(r + 8, 4 << 20); return reply(r, 12, rd16(c + 7), buf, len, xfer);
  }
  if (!loaded(m)) return sense(m, 2, 0x3a, d->tray ? 2 : 1);
  if (m->busy > 0 && op != 0x51 && op != 0x52) {
    int left = m->busy;
    if (op == 0x00) m->busy--;
    sense(m, 2, 0x04, m->busy_ascq);
    m->sense[15] = 0x80;
    be16(m->sense + 16, 65535 - (unsigned)(65535LL * left / (m->busy_total + 1)));
    return FB_CHECK;
  }
  if ((f = fault(m, "becoming_ready")) > 0 && m->not_ready < f) { if (op == 0) m->not_ready++; return sense(m, 2, 0x04, 0x01); }
  if (fault(m, "not_ready") > 0) return sense(m, 2, 0x04, 0x02);
  if (fault(m, "bad_medium") > 0 && op != 0x51) return sense(m, 3, 0x02, 0x00);
  switch (op) {
  case 0x00: return FB_GOOD;
  case 0x51: n = disc_info(m, r); return reply(r, n, rd16(c + 7), buf, len, xfer);
  case 0x52: n = track_info(m, c, r); return n < 0 ? sense(m, 5, 0x24, 0) : reply(r, n, rd16(c + 7), buf, len, xfer);
  case 0x43: n = read_toc(m, c, r); return n < 0 ? sense(m, 5, 0x24, 0) : reply(r, n, rd16(c + 7), buf, len, xfer);
  case 0x25: n = written_end(d); be32(r, n ? n - 1 : 0); be32(r + 4, 2048); return reply(r, 8, 8, buf, len, xfer);
  case 0x23: n = format_capacities(m, r); return reply(r, n, rd16(c + 7), buf, len, xfer);
  case 0x28: return do_read(m, rd32(c + 2), rd16(c + 7), buf, len, xfer, 2048);
  case 0xa8: return do_read(m, rd32(c + 2), rd32(c + 6), buf, len, xfer, 2048);
  case 0xbe: return do_read(m, rd32(c + 2), c[6] << 16 | rd16(c + 7), buf, len, xfer, (c[9] & 0xf8) == 0xf8 ? 2352 : 2048);
  case 0x2a: return do_write(m, rd32(c + 2), rd16(c + 7), buf, len);
  case 0xaa: return do_write(m, rd32(c + 2), rd32(c + 6), buf, len);
  case 0x2f: case 0x2b: return FB_GOOD;                               /* VERIFY, SEEK */
  case 0x54: return fault(m, "opc_error") > 0 ? sense(m, 3, 0x73, 3) : FB_GOOD;
  case 0x5d: m->tripped = 0; return FB_GOOD;                          /* SEND CUE SHEET */
  case 0x53:                                                          /* RESERVE TRACK */
    if (rd32(c + 5) > (unsigned)free_blocks(d)) return sense(m, 5, 0x21, 0);
    d->reserved = rd32(c + 5); d->open_start = d->nwa; fb_save_state(m);
    return FB_GOOD;
  case 0x35:
    if (fault(m, "sync_error") > 0) return sense(m, 3, 0x0c, 0);
    if (is_cd(d->profile) && (m->mp5[2] & 15) == 2 && d->open_trk) { close_track(d, 0); close_session(d, m->mp5[3] >> 6); fb_save_state(m); }  /* SAO ends here */
    if (c[1] & 2) be_busy(m, 1, 8);
    return FB_GOOD;
  case 0x5b:                                                          /* CLOSE TRACK SESSION */
    if (fault(m, "close_error") > 0) return sense(m, 5, 0x72, 0);
    n = c[2] & 7;
    if (seqable(d->profile)) {
      if (n == 1 || n == 2 || n >= 5) close_track(d, is_cd(d->profile) && (m->mp5[2] & 15) == 1);
      if (n == 2) close_session(d, is_cd(d->profile) || d->profile == P_DVDR || d->profile == P_DVDRW ? m->mp5[3] >> 6 : 1);
      if (n >= 5) { close_session(d, 0); d->final = 1; }
      fb_save_state(m);
    }
    if (c[1] & 1) be_busy(m, 2, 8);
    return FB_GOOD;
  case 0xa1:                                                          /* BLANK */
    if (d->profile != P_CDRW && d->profile != P_DVDRW && d->profile != P_DVDRW_RO) return sense(m, 5, 0x30, 0x05);
    if (fault(m, "blank_error") > 0) return sense(m, 3, 0x51, 0);
    make_blank(m);
    if (d->profile == P_DVDRW_RO) { d->profile = P_DVDRW; d->gap1 = 28688; d->gapn = 6160; }
    fb_save_state(m); be_busy(m, 3, 7);
    return FB_GOOD;
  case 0x04:                                                          /* FORMAT UNIT */
    if (fault(m, "format_error") > 0) return sense(m, 3, 0x31, 1);
    if (d->profile == P_DVDRW) { make_blank(m); d->profile = P_DVDRW_RO; }
    else if (!fb_overwritable(d->profile) && !(d->profile == P_BDR && is_blank(d))) return sense(m, 5, 0x30, 0x10);
    /* Format type: all but "grow" (11h, 13h) of DVD-RW lose what is there, as the media do in practice. */
    if (len >= 12 && (buf[8] >> 2) != 0x11 && (buf[8] >> 2) != 0x13) erase(m);
    d->fmt = 3; fb_save_state(m); be_busy(m, 3, 4);
    return FB_GOOD;
  case 0xad:                                                          /* READ DISC STRUCTURE: no media id */
  default: return sense(m, 5, op == 0xad ? 0x24 : 0x20, 0);
  }
}
static void log_cmd(const uint8_t *c, int clen, int st, struct fb_mmc *m, const uint8_t *buf, uint32_t len, uint32_t xfer)
{
  const char *p = getenv("FB_LOG");
  FILE *f = p ? fopen(p, "ae") : NULL;
  if (!f) return;
  for (int i = 0; i < clen; i++) fprintf(f, "%02X ", c[i]);
  fprintf(f, " len=%u xfer=%u st=%d", len, xfer, st);
  if (st == FB_CHECK) fprintf(f, " sense=%X/%02X/%02X", m->sense[2], m->sense[12], m->sense[13]);
  if (len && (c[0] == 0x04 || c[0] == 0x55 || c[0] == 0xb6)) {           /* parameters: format, mode page, speed */
    fputs(" data=", f);
    for (uint32_t i = 0; i < len && i < 64; i++) fprintf(f, "%02X", buf[i]);
  }
  fputc('\n', f);
  fclose(f);
}
/* Not by usleep(), which preload.c makes shorter. */
void fb_sleep(long us)
{
  struct timespec t = { us / 1000000, us % 1000000 * 1000 };
  syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
}
int fb_exec(struct fb_mmc *m, const uint8_t *cdb, int clen, uint8_t *buf, uint32_t len, uint32_t *xfer)
{
  uint8_t c[16] = { 0 };
  memcpy(c, cdb, clen > 16 ? 16 : clen);
  *xfer = 0;
  long delay = c[0] == 0x2a || c[0] == 0xaa ? fault(m, "write_delay_us") : 0;
  if (delay > 0) fb_sleep(delay);      /* before the state is loaded: fbctl may change it meanwhile */
  flock(m->dfd, LOCK_EX);            /* fbctl may be at work on the same medium */
  fb_load_state(m);
  int st = exec(m, c, buf, len, xfer);
  flock(m->dfd, LOCK_UN);
  log_cmd(c, clen, st, m, buf, len, *xfer);
  return st;
}

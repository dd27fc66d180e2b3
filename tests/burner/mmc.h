/* A small emulated MMC burner for tests.
   mmc.c   = drive + medium model, executes SCSI CDBs
   preload.c = LD_PRELOAD front end (xorriso in an ordinary process, no kernel)
   fbctl.c = command line tool: make/inspect media */
#ifndef FB_MMC_H
#define FB_MMC_H
#include <stdint.h>
#include <stddef.h>

#define FB_MAXTRK 150
#define FB_STATE_SIZE 8192

enum { P_NONE = 0, P_CDROM = 0x08, P_CDR = 0x09, P_CDRW = 0x0a, P_DVDROM = 0x10, P_DVDR = 0x11,
       P_DVDRAM = 0x12, P_DVDRW_RO = 0x13, P_DVDRW = 0x14, P_DVDPRW = 0x1a, P_DVDPR = 0x1b,
       P_BDROM = 0x40, P_BDR = 0x41, P_BDRE = 0x43 };

struct fb_track { int session, start, size, flags; };   /* flags: 1 audio, 2 has 2 unreadable run-out blocks */

struct fb_disc {                    /* everything that survives a power cycle */
  int gen;                          /* changes when the medium is changed */
  int profile, capacity;            /* capacity in 2048-byte blocks */
  int tray;                         /* 1 = open */
  int final;                        /* closed disc, no further session */
  int nsess, ntrk;                  /* closed sessions, closed tracks */
  int open_sess, open_trk;          /* unclosed session / track with data */
  int open_start, nwa;              /* start of the open track, next writable address */
  int reserved;                     /* RESERVE TRACK size, 0 = none */
  int fmt;                          /* overwritable: 0 unformatted, 3 formatted */
  int gap1, gapn;                   /* blocks between session 1 and 2 / later ones */
  struct fb_track t[FB_MAXTRK];
};

struct fb_mmc {
  char dir[512];
  int sfd, dfd;                     /* state file (its flock = O_EXCL), data file */
  int seen_gen, ua;                 /* unit attention pending */
  int busy, busy_ascq, busy_total;  /* polls until an IMMED command is done */
  int prevent, not_ready, tripped, lost;
  uint8_t mp5[60];                  /* write parameters mode page */
  uint8_t sense[18];                /* last sense */
  struct fb_disc d;
};

#define FB_GOOD 0
#define FB_CHECK 2
#define FB_CONFLICT 0x18
#define FB_TRANSPORT (-1)           /* no answer from the bus at all */

int fb_open(struct fb_mmc *m, const char *dir, int excl);   /* fd >= 0 or -errno */
void fb_close(struct fb_mmc *m);
/* buf: data in or out, len its size; *xfer: bytes of data in. Returns FB_GOOD, FB_CHECK, ... */
int fb_exec(struct fb_mmc *m, const uint8_t *cdb, int clen, uint8_t *buf, uint32_t len, uint32_t *xfer);
int fb_load_state(struct fb_mmc *m);
void fb_save_state(struct fb_mmc *m);
long fb_fault(const char *dir, const char *key);            /* value, -1 if not set */
void fb_sleep(long us);                                     /* for as long as it says */
int fb_overwritable(int profile);
int fb_media_defaults(struct fb_disc *d, const char *name);
#endif

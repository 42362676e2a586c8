/* The flags that the programs of this folder share: how the library works. */
#ifndef RINGWS_PROGRAMS_FLAGS_H
#define RINGWS_PROGRAMS_FLAGS_H

#include <ringws.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARED_FLAGS "[--deflate] [--takeover] [--min BYTES] [--stream] [--buffer BYTES]"

static inline uint32_t number(const char *text) { return text ? (uint32_t)strtoul(text, NULL, 10) : 0; }

/* Takes the flag at argv[*i] and moves on to its last word; 0: it is none of them. */
static inline int shared_flag(char **argv, int *i, rws_config *config, rws_options *options) {
  const char *flag = argv[*i];
  if (strcmp(flag, "--deflate") == 0) options->flags |= RWS_OPT_DEFLATE;
  else if (strcmp(flag, "--takeover") == 0) options->flags |= RWS_OPT_DEFLATE | RWS_OPT_TAKEOVER;
  else if (strcmp(flag, "--min") == 0) options->deflate_min = number(argv[++*i]);
  else if (strcmp(flag, "--stream") == 0) options->flags |= RWS_OPT_STREAM;
  else if (strcmp(flag, "--buffer") == 0) config->recv_buffer_size = number(argv[++*i]);
  else return 0;
  return 1;
}

/* Sends a message, or a part of one, back as it came. */
static inline void echo(rws_reactor *r, rws_conn c, const rws_message *m) {
  const rws_opcode op = m->flags & RWS_FIRST ? m->opcode : RWS_CONTINUATION;
  if (rws_send(r, c, op, m->data, m->len, m->flags & RWS_LAST ? 0 : RWS_MORE) == RWS_FULL)
    rws_pause(r, c);
}
static inline void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

#endif

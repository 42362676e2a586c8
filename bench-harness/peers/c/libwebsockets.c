/* Echo on libwebsockets, one service thread.  usage: libwebsockets [port, 0: any]
 *                     [--deflate shared|takeover] [--level N] [--tls certificate key]
 *
 * A message is collected in memory with LWS_PRE bytes in front, as lws_write wants it, and waits in
 * the queue of its connection for LWS_CALLBACK_SERVER_WRITEABLE. Receive buffers are of 64 KiB. */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (64u << 20)
#define RECEIVE (64 * 1024)
/* A connection that lets this much wait is not read from. */
#define QUEUE_MAX (1u << 20)

struct message {
  struct message *next;
  size_t len, capacity;
  enum lws_write_protocol type;
  unsigned char bytes[]; /* LWS_PRE, then the payload */
};

struct session {
  struct message *first, *last; /* whole ones, oldest first */
  struct message *incoming;
  size_t queued;
};

/* What the command line asks for. */
static const char *deflate, *level, *certificate, *key;

/* The extension takes its settings from each connection; its own buffer for output is 1 KiB, and
 * what does not fit into one leaves in several frames. */
static int established(struct lws *wsi) {
  if (!deflate) return 0;
  if (level && lws_set_extension_option(wsi, "permessage-deflate", "compression_level", level))
    return -1;
  return 0;
}

/* Room for more bytes; false: too many, or no memory. */
static int reserve(struct message **at, size_t more) {
  struct message *m = *at;
  const size_t len = m ? m->len : 0;
  if (len + more > MESSAGE_MAX) return 0;
  if (m && len + more <= m->capacity) return 1;
  size_t capacity = m ? m->capacity * 2 : more;
  if (capacity < len + more) capacity = len + more;
  struct message *grown = realloc(m, sizeof *grown + LWS_PRE + capacity);
  if (!grown) return 0;
  if (!m) memset(grown, 0, sizeof *grown);
  grown->capacity = capacity;
  *at = grown;
  return 1;
}

static int receive(struct lws *wsi, struct session *s, const void *in, size_t len) {
  const size_t rest = lws_remaining_packet_payload(wsi);
  if (!reserve(&s->incoming, len + (s->incoming ? 0 : rest))) return -1;
  struct message *m = s->incoming;
  memcpy(m->bytes + LWS_PRE + m->len, in, len);
  m->len += len;
  if (rest || !lws_is_final_fragment(wsi)) return 0;
  m->type = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
  *(s->last ? &s->last->next : &s->first) = m;
  s->last = m;
  s->incoming = NULL;
  s->queued += m->len;
  if (s->queued > QUEUE_MAX) lws_rx_flow_control(wsi, 0);
  lws_callback_on_writable(wsi);
  return 0;
}

static int send_first(struct lws *wsi, struct session *s) {
  struct message *m = s->first;
  if (lws_write(wsi, m->bytes + LWS_PRE, m->len, m->type) < (int)m->len) return -1;
  s->first = m->next;
  if (!s->first) s->last = NULL;
  if (s->queued > QUEUE_MAX && s->queued - m->len <= QUEUE_MAX) lws_rx_flow_control(wsi, 1);
  s->queued -= m->len;
  free(m);
  return 0;
}

static void forget(struct session *s) {
  for (struct message *m = s->first, *next; m; m = next) {
    next = m->next;
    free(m);
  }
  free(s->incoming);
  memset(s, 0, sizeof *s);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
                    size_t len) {
  struct session *s = user;
  switch (why) {
    case LWS_CALLBACK_ESTABLISHED:
      return established(wsi);
    case LWS_CALLBACK_RECEIVE:
      return receive(wsi, s, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
      while (s->first) {
        if (send_first(wsi, s) < 0) return -1;
        if (s->first && lws_send_pipe_choked(wsi)) {
          lws_callback_on_writable(wsi);
          break;
        }
      }
      return 0;
    case LWS_CALLBACK_CLOSED:
      forget(s);
      return 0;
    default:
      return 0;
  }
}

static void parse(int argc, char **argv) {
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], "--deflate") && i + 1 < argc) deflate = argv[i + 1];
    if (!strcmp(argv[i], "--level") && i + 1 < argc) level = argv[i + 1];
    if (!strcmp(argv[i], "--tls") && i + 2 < argc) certificate = argv[i + 1], key = argv[i + 2];
  }
}

int main(int argc, char **argv) {
  static const struct lws_protocols protocols[] = {
      {.name = "echo",
       .callback = on_event,
       .per_session_data_size = sizeof(struct session),
       .rx_buffer_size = RECEIVE},
      {.name = NULL}};
  static const struct lws_extension extensions[] = {
      {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
      {NULL, NULL, NULL}};
  struct lws_context_creation_info info = {0};
  parse(argc, argv);
  info.port = argc > 1 ? atoi(argv[1]) : 9001;
  info.iface = "127.0.0.1";
  info.protocols = protocols;
  info.pt_serv_buf_size = RECEIVE;
  info.gid = info.uid = -1;
  if (deflate) info.extensions = extensions;
  if (certificate) {
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.ssl_cert_filepath = certificate;
    info.ssl_private_key_filepath = key;
  }
  lws_set_log_level(LLL_ERR, NULL);
  struct lws_context *context = lws_create_context(&info);
  if (!context) return 1;
  printf("listening on %d\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")));
  fflush(stdout);
  while (lws_service(context, 0) >= 0) continue;
  lws_context_destroy(context);
  return 1;
}

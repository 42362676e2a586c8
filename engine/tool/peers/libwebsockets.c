/* Echo on libwebsockets; told to check UTF-8, which it does not by itself. */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One message at a time: what waits to be sent is not overtaken, since receiving is paused. */
struct session { unsigned char *data; size_t len; int binary, whole; };

static int echo(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len) {
  struct session *s = user;
  switch (why) {
  case LWS_CALLBACK_RECEIVE:
    if (lws_is_first_fragment(wsi)) {
      s->binary = lws_frame_is_binary(wsi);
      s->len = 0;
    }
    s->data = realloc(s->data, LWS_PRE + s->len + len + 1);
    memcpy(s->data + LWS_PRE + s->len, in, len);
    s->len += len;
    if (lws_is_final_fragment(wsi)) {
      s->whole = 1;
      lws_rx_flow_control(wsi, 0);
      lws_callback_on_writable(wsi);
    }
    break;
  case LWS_CALLBACK_SERVER_WRITEABLE:
    if (s->whole) {
      s->whole = 0;
      if (lws_write(wsi, s->data + LWS_PRE, s->len, s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) < 0)
        return -1;
      lws_rx_flow_control(wsi, 1);
    }
    break;
  case LWS_CALLBACK_CLOSED:
    free(s->data);
    break;
  default:
    break;
  }
  return 0;
}

int main(void) {
  static const struct lws_protocols protocols[] = {{"default", echo, sizeof(struct session), 65536, 0, NULL, 0}, {0}};
  static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"}, {0}};
  struct lws_context_creation_info info = {0};
  info.iface = "127.0.0.1";
  info.protocols = protocols;
  info.extensions = extensions;
  info.options = LWS_SERVER_OPTION_VALIDATE_UTF8;
  lws_set_log_level(0, NULL);
  info.port = 0;
  struct lws_context *context = lws_create_context(&info);
  if (!context)
    return 1;
  printf("%d libwebsockets %s\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")), LWS_LIBRARY_VERSION);
  fflush(stdout);
  while (lws_service(context, 0) >= 0) {}
}

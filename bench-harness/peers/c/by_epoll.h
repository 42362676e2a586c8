/* An example that asks the kernel by epoll, as where io_uring is forbidden. */
#include <ringws.h>

static rws_status by_epoll(const rws_config *given, rws_engine **out, rws_error *err) {
  rws_config config = RWS_INIT(rws_config);
  if (given)
    config = *given;
  config.backend = RWS_BACKEND_EPOLL;
  return rws_engine_new(&config, out, err);
}

#define rws_engine_new by_epoll

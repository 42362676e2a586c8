/* The C example, with reactors that look for work for 100 us before they sleep. */
#include <ringws.h>

static rws_status new_busy(const rws_config *defaults, rws_engine **out, rws_error *err) {
  rws_config config = RWS_INIT(rws_config);
  (void)defaults;
  config.busy_poll_us = 100;
  return rws_engine_new(&config, out, err);
}

#define rws_engine_new new_busy
#include "../../../ffi/examples/echo.c"

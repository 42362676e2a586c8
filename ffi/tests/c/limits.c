/* An engine where the machine has little to give. Says what start answers, and why. */
#include <ringws.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  rws_error err = {0};
  rws_config config = RWS_INIT(rws_config);
  config.reactors = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
  config.backend = argc > 2 ? (uint32_t)atoi(argv[2]) : RWS_BACKEND_AUTO;
  rws_engine *engine = NULL;
  rws_status status = rws_engine_new(&config, &engine, &err);
  if (status != RWS_OK) {
    printf("new %d %s\n", status, err.text);
    return 1;
  }
  status = rws_engine_start(engine, &err);
  printf("start %d %s\n", status, status == RWS_OK ? "" : err.text);
  if (status == RWS_OK) {
    rws_engine_stop(engine, 0);
    status = rws_engine_wait(engine);
    printf("wait %d\n", status);
  }
  rws_engine_free(engine);
  return 0;
}

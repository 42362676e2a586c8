/* A program that also holds another Rust static library: its panics and threads work beside ours. */
#include <ringws.h>

extern int second(void);

int main(void) {
  rws_engine *e;
  if (rws_engine_new(NULL, &e, NULL) != RWS_OK) return 2;
  if (rws_engine_start(e, NULL) != RWS_OK) return 3;
  rws_engine_free(e);
  return second() == 1 ? 0 : 1;
}

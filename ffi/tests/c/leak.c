/* One reference too many: LeakSanitizer must say so. */
#include <ringws.h>

int main(void) {
  rws_buf *b;
  if (rws_buf_new(RWS_TEXT, "x", 1, 0, &b, NULL) < 0) return 1;
  (void)rws_buf_retain(b);
  rws_buf_release(b);
  b = NULL;
  return 0;
}

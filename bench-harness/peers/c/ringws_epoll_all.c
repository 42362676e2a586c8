/* The C example that sends every message to all, by epoll. */
#include "by_epoll.h"

#include "../../../ffi/examples/broadcast.c"

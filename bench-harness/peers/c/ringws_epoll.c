/* The C example by epoll. */
#include "by_epoll.h"

#include "../../../ffi/examples/echo.c"

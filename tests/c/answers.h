/* For programs that expect a code of each call, and tell of all that gave another. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "check.h"

static inline int failures_of(const char *what, ringbus_code code, ringbus_code expected) {
    if (code == expected && (code == RINGBUS_OK || strlen(ringbus_last_error()) > 0)) {
        return 0;
    }
    fprintf(stderr, "%s: %d, not %d: %s\n", what, (int)code, (int)expected, ringbus_last_error());
    return 1;
}

static int failures = 0;
/* How often what goes wrong only at times is tried. */
static unsigned repeats = 20000;

#define ANSWERS(call, expected) (failures += failures_of(#call, call, expected))

/* The last failure says what was wrong. */
#define NAMES(what) CHECK(strstr(ringbus_last_error(), what) != NULL)

#endif

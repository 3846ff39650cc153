/* What the test programs in C and C++ share. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringbus.h"

#define SECOND ((uint64_t)1000000000)
#define MILLISECOND ((uint64_t)1000000)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition,       \
                    ringbus_last_error());                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define OK(call) CHECK((call) == RINGBUS_OK)

/* It fails as expected, and says why. */
#define REFUSED(call, expected)                                                                    \
    do {                                                                                           \
        CHECK((call) == (expected));                                                               \
        CHECK(strlen(ringbus_last_error()) > 0);                                                   \
    } while (0)

static inline ringbus_bus *open_bus(const char *directory) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    options.directory = directory;
    OK(ringbus_bus_open("c", &options, &bus));
    CHECK(bus != NULL);
    return bus;
}

static inline ringbus_topic *open_topic(ringbus_bus *bus, const char *name) {
    ringbus_topic *topic = NULL;
    OK(ringbus_topic_open_or_create(bus, name, NULL, &topic));
    CHECK(topic != NULL);
    return topic;
}

#endif

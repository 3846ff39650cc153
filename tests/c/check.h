/* What the test programs in C and C++ share. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringbus.h"

#define SECOND ((uint64_t)1000000000)
#define MILLISECOND ((uint64_t)1000000)

/* The most that is waited for what must come, however slow the machine is. */
#define PATIENCE (100 * SECOND)

/* The most by which times by TIME_TSC are wrong here: ticks are converted to within some millionths of a
   message's age, and no program of the tests runs for longer than some minutes. */
#define TICKS_ERROR (10 * MILLISECOND)

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

/* The directory that the program was called with; and how often it is to repeat things, if it does. */
static inline const char *directory_of(int argc, char **argv, unsigned *repeats) {
    if (argc < 2 || argc > (repeats == NULL ? 2 : 3)) {
        fprintf(stderr, "usage: %s DIRECTORY%s\n", argv[0], repeats == NULL ? "" : " [REPEATS]");
        exit(2);
    }
    if (argc > 2) {
        *repeats = (unsigned)atoi(argv[2]);
    }
    return argv[1];
}

static inline ringbus_bus *open_bus(const char *directory) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    options.directory = directory;
    OK(ringbus_bus_open("c", &options, &bus));
    CHECK(bus != NULL);
    return bus;
}

/* The last that a program closes: nothing else is open. */
static inline void close_bus(ringbus_bus *bus) {
    OK(ringbus_bus_close(bus));
    CHECK(ringbus_open_handles() == 0);
}

/* A handle that is refused everywhere, and how. */
typedef struct {
    void *handle;
    ringbus_code expected;
} wrong_handle;

#define WRONG_HANDLES 4

/* None, a closed one, one of another kind, and what never was one. */
static inline wrong_handle wrong(unsigned n, void *closed, void *other) {
    static int anything;
    void *const handles[WRONG_HANDLES] = {NULL, closed, other, &anything};
    static const ringbus_code expected[WRONG_HANDLES] = {
        RINGBUS_NULL_ARGUMENT, RINGBUS_CLOSED, RINGBUS_WRONG_HANDLE, RINGBUS_NOT_A_HANDLE};
    wrong_handle one;
    one.handle = handles[n];
    one.expected = expected[n];
    return one;
}

/* Lets so much time pass. */
static inline void pass(uint64_t time_ns) {
    uint64_t start = 0, now = 0;
    OK(ringbus_now(&start));
    do {
        OK(ringbus_now(&now));
    } while (now < start + time_ns);
}

static inline ringbus_topic *open_topic(ringbus_bus *bus, const char *name) {
    ringbus_topic *topic = NULL;
    OK(ringbus_topic_open_or_create(bus, name, NULL, &topic));
    CHECK(topic != NULL);
    return topic;
}

/* A publisher of a topic, which is made where it is not there. */
static inline ringbus_publisher *publisher_of(ringbus_bus *bus, const char *name, uint64_t capacity,
                                              uint32_t time) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    options.capacity_slots = capacity;
    options.time = time;
    options.attributes_max_bytes = 64;
    OK(ringbus_topic_open_or_create(bus, name, &options, &topic));
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_topic_close(topic));
    return publisher;
}

static inline void publish_text(ringbus_publisher *publisher, const char *text) {
    OK(ringbus_publish(publisher, text, strlen(text), 0, NULL));
}

#endif

/*
 * Uses the C ABI as a program would, compiled as C and as C++.
 *
 *   roundtrip check DIRECTORY                     every function, in one process
 *   roundtrip publish DIRECTORY TOPIC COUNT       sends COUNT numbered messages
 *   roundtrip subscribe DIRECTORY TOPIC COUNT     takes them and checks each
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringbus.h"

#define SECOND ((uint64_t)1000000000)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition,       \
                    ringbus_last_error());                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The message numbered `n`: its text, and a tag that is not its number. */
static size_t compose(char *text, size_t size, uint64_t n) {
    return (size_t)snprintf(text, size, "message %llu", (unsigned long long)n);
}

static uint64_t tag_of(uint64_t n) { return n * 7 + 1; }

static ringbus_bus *open_bus(const char *directory) {
    ringbus_bus *bus = NULL;
    CHECK(ringbus_bus_open(directory, "c", &bus) == RINGBUS_OK);
    CHECK(bus != NULL);
    return bus;
}

static void publish(ringbus_publisher *publisher, uint64_t n) {
    char text[64];
    uint64_t sequence = UINT64_MAX;
    size_t len = compose(text, sizeof text, n);
    CHECK(ringbus_publish(publisher, text, len, tag_of(n), 10 * SECOND, &sequence) == RINGBUS_OK);
    CHECK(sequence == n);
}

static void expect(ringbus_subscriber *subscriber, uint64_t n) {
    char text[64];
    ringbus_message message;
    ringbus_code code;
    size_t len = compose(text, sizeof text, n);
    while ((code = ringbus_subscriber_poll(subscriber, &message)) == RINGBUS_EMPTY) {
        CHECK(ringbus_subscriber_wait(subscriber, 10 * SECOND) == RINGBUS_OK);
    }
    CHECK(code == RINGBUS_OK);
    CHECK(message.sequence == n);
    CHECK(message.tag == tag_of(n));
    CHECK(message.time_ns == 0);
    CHECK(message.payload_len_bytes == len);
    CHECK(memcmp(message.payload, text, len) == 0);
}

/* Every reliable subscriber is waited for, so nothing may be lost. */
static void publish_all(const char *directory, const char *topic, uint64_t count) {
    uint64_t n;
    ringbus_publisher *publisher = NULL;
    ringbus_bus *bus = open_bus(directory);
    CHECK(ringbus_publisher_open(bus, topic, NULL, &publisher) == RINGBUS_OK);
    CHECK(ringbus_publisher_wait_subscribers(publisher, 1, 10 * SECOND) == RINGBUS_OK);
    for (n = 0; n < count; n++) {
        publish(publisher, n);
    }
    CHECK(ringbus_publisher_close(publisher) == RINGBUS_OK);
    CHECK(ringbus_bus_close(bus) == RINGBUS_OK);
}

static void subscribe_all(const char *directory, const char *topic, uint64_t count) {
    const uint32_t flags = RINGBUS_SUBSCRIBER_RELIABLE | RINGBUS_SUBSCRIBER_OLDEST;
    uint64_t n, lost = UINT64_MAX;
    ringbus_subscriber *subscriber = NULL;
    ringbus_bus *bus = open_bus(directory);
    CHECK(ringbus_subscriber_open(bus, topic, NULL, flags, &subscriber) == RINGBUS_OK);
    for (n = 0; n < count; n++) {
        expect(subscriber, n);
    }
    CHECK(ringbus_subscriber_lagged(subscriber, &lost) == RINGBUS_OK && lost == 0);
    CHECK(ringbus_subscriber_close(subscriber) == RINGBUS_OK);
    CHECK(ringbus_bus_close(bus) == RINGBUS_OK);
}

static void check_messages(const char *directory) {
    ringbus_topic_options options = RINGBUS_TOPIC_OPTIONS_INIT;
    ringbus_publisher *publisher = NULL, *second = NULL;
    ringbus_subscriber *reliable = NULL, *lossy = NULL;
    ringbus_message message;
    uint64_t n, lost = 0;
    ringbus_bus *bus = open_bus(directory);

    options.capacity_slots = 8;
    options.payload_max_bytes = 64;
    CHECK(ringbus_publisher_open(bus, "check/small", &options, &publisher) == RINGBUS_OK);
    CHECK(ringbus_publisher_open(bus, "check/small", &options, &second) ==
          RINGBUS_PUBLISHER_EXISTS);
    CHECK(second == NULL);
    CHECK(ringbus_subscriber_open(bus, "check/small", NULL, RINGBUS_SUBSCRIBER_RELIABLE,
                                  &reliable) == RINGBUS_OK);
    CHECK(ringbus_subscriber_open(bus, "check/small", &options, 0, &lossy) == RINGBUS_OK);
    CHECK(ringbus_publisher_wait_subscribers(publisher, 2, 0) == RINGBUS_OK);
    CHECK(ringbus_publisher_wait_subscribers(publisher, 3, 0) == RINGBUS_TIMEOUT);
    CHECK(ringbus_subscriber_poll(lossy, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_subscriber_wait(lossy, SECOND / 1000) == RINGBUS_TIMEOUT);

    /* The reliable subscriber holds up to the topic's capacity, then the publisher is told. */
    n = 0;
    for (;;) {
        char text[64];
        size_t len = compose(text, sizeof text, n);
        ringbus_code code = ringbus_publish(publisher, text, len, tag_of(n), 0, NULL);
        if (code == RINGBUS_FULL) {
            break;
        }
        CHECK(code == RINGBUS_OK && n < 8);
        n++;
    }
    CHECK(n == 8);
    CHECK(strlen(ringbus_last_error()) > 0);
    CHECK(ringbus_publish(publisher, "late", 4, 0, SECOND / 1000, NULL) == RINGBUS_FULL);
    CHECK(ringbus_subscriber_wait(reliable, 0) == RINGBUS_OK);
    for (n = 0; n < 8; n++) {
        expect(reliable, n);
    }
    CHECK(ringbus_subscriber_release(reliable) == RINGBUS_OK);
    CHECK(ringbus_subscriber_close(reliable) == RINGBUS_OK);

    /* The lossy one is passed, told so, counted, and goes on at the oldest that is kept. */
    for (n = 8; n < 20; n++) {
        publish(publisher, n);
    }
    CHECK(ringbus_subscriber_poll(lossy, &message) == RINGBUS_LAGGED);
    CHECK(ringbus_subscriber_lagged(lossy, &lost) == RINGBUS_OK && lost == 12);
    for (n = 12; n < 20; n++) {
        expect(lossy, n);
    }

    /* Nothing is a message too; more than the topic takes is none. */
    CHECK(ringbus_publish(publisher, NULL, 0, 0, 0, &n) == RINGBUS_OK && n == 20);
    CHECK(ringbus_subscriber_poll(lossy, &message) == RINGBUS_OK);
    CHECK(message.payload != NULL && message.payload_len_bytes == 0);
    {
        char long_text[65] = {0};
        CHECK(ringbus_publish(publisher, long_text, sizeof long_text, 0, 0, NULL) ==
              RINGBUS_TOO_LONG);
    }

    /* The bus may go first; a dropped publisher leaves its place. */
    CHECK(ringbus_publisher_close(publisher) == RINGBUS_OK);
    CHECK(ringbus_publisher_open(bus, "check/small", NULL, &second) == RINGBUS_OK);
    CHECK(ringbus_bus_close(bus) == RINGBUS_OK);
    CHECK(ringbus_publish(second, "on", 2, 0, 0, &n) == RINGBUS_OK && n == 21);
    CHECK(ringbus_publisher_close(second) == RINGBUS_OK);
    CHECK(ringbus_subscriber_close(lossy) == RINGBUS_OK);
}

static void check_failures(const char *directory) {
    ringbus_topic_options options = RINGBUS_TOPIC_OPTIONS_INIT;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_bus *bus = NULL, *none = NULL;
    ringbus_message message;
    uint64_t number = 0;

    CHECK(strcmp(ringbus_last_error(), "") == 0);
    CHECK(strlen(ringbus_version()) >= 5);
    CHECK(strcmp(ringbus_strerror(RINGBUS_OK), "done") == 0);
    CHECK(strcmp(ringbus_strerror(-1), "unknown code") == 0);

    CHECK(ringbus_bus_open(directory, "c", NULL) == RINGBUS_NULL_ARGUMENT);
    CHECK(strcmp(ringbus_last_error(), "`bus` is NULL") == 0);
    CHECK(ringbus_bus_open(directory, "\xff", &none) == RINGBUS_INVALID_ARGUMENT);
    CHECK(ringbus_bus_open(directory, "../c", &none) == RINGBUS_INVALID_ARGUMENT);
    CHECK(none == NULL);

    bus = open_bus(directory);
    CHECK(ringbus_publisher_open(NULL, "t", NULL, &publisher) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publisher_open(bus, NULL, NULL, &publisher) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publisher_open(bus, "t", NULL, NULL) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publisher_open(bus, "", NULL, &publisher) == RINGBUS_INVALID_ARGUMENT);
    CHECK(ringbus_subscriber_open(bus, "t", NULL, 1u << 31, &subscriber) ==
          RINGBUS_INVALID_ARGUMENT);
    options.flags = RINGBUS_TOPIC_EXISTING;
    CHECK(ringbus_publisher_open(bus, "t", &options, &publisher) == RINGBUS_NOT_FOUND);
    options.flags = 1u << 31;
    CHECK(ringbus_publisher_open(bus, "t", &options, &publisher) == RINGBUS_INVALID_ARGUMENT);
    options.flags = 0;
    options.capacity_slots = 3;
    CHECK(ringbus_publisher_open(bus, "t", &options, &publisher) == RINGBUS_INVALID_ARGUMENT);
    options.size_bytes = 1;
    CHECK(ringbus_publisher_open(bus, "t", &options, &publisher) == RINGBUS_INVALID_ARGUMENT);
    CHECK(publisher == NULL);

    CHECK(ringbus_publisher_open(bus, "check/shared", NULL, &publisher) == RINGBUS_OK);
    options.size_bytes = sizeof options;
    options.capacity_slots = 16;
    CHECK(ringbus_subscriber_open(bus, "check/shared", &options, 0, &subscriber) ==
          RINGBUS_MISMATCH);
    CHECK(ringbus_publish(NULL, "x", 1, 0, 0, NULL) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publish(publisher, NULL, 1, 0, 0, NULL) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publisher_wait_subscribers(NULL, 0, 0) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_subscriber_poll(NULL, &message) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_subscriber_wait(NULL, 0) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_subscriber_release(NULL) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_subscriber_lagged(NULL, &number) == RINGBUS_NULL_ARGUMENT);
    CHECK(ringbus_publisher_close(publisher) == RINGBUS_OK);

    CHECK(ringbus_publisher_close(NULL) == RINGBUS_OK);
    CHECK(ringbus_subscriber_close(NULL) == RINGBUS_OK);
    CHECK(ringbus_bus_close(NULL) == RINGBUS_OK);
    CHECK(ringbus_bus_close(bus) == RINGBUS_OK);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        check_failures(argv[2]);
        check_messages(argv[2]);
    } else if (argc == 5 && strcmp(argv[1], "publish") == 0) {
        publish_all(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    } else if (argc == 5 && strcmp(argv[1], "subscribe") == 0) {
        subscribe_all(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    } else {
        fprintf(stderr, "usage: %s check|publish|subscribe DIRECTORY [TOPIC COUNT]\n", argv[0]);
        return 2;
    }
    return 0;
}

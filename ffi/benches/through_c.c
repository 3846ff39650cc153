/*
 * The roles of through_c.rs, played in C: the same calls in the same order.
 *
 *   through_c ROLE DIRECTORY COUNT [BATCH]
 *
 * Those that measure print one number: nanoseconds.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ringbus.h"

#define PAYLOAD 64
#define BATCH_MAX 256

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != RINGBUS_OK) {                                                                \
            fprintf(stderr, "%s: %s\n", #call, ringbus_last_error());                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static ringbus_bus *bus;

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static ringbus_topic *topic_of(const char *name) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    options.payload_max_bytes = PAYLOAD;
    OK(ringbus_topic_open_or_create(bus, name, &options, &topic));
    return topic;
}

static ringbus_publisher *publisher_of(const char *name) {
    ringbus_publisher *publisher = NULL;
    OK(ringbus_publisher_open(topic_of(name), &publisher));
    return publisher;
}

static ringbus_subscriber *subscriber_of(const char *name) {
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_subscriber *subscriber = NULL;
    options.delivery = RINGBUS_RELIABLE;
    OK(ringbus_subscriber_open(topic_of(name), &options, &subscriber));
    return subscriber;
}

static void send(ringbus_publisher *publisher, const char *payload) {
    OK(ringbus_publish(publisher, payload, PAYLOAD, RINGBUS_FOREVER, NULL));
}

static void await(ringbus_subscriber *subscriber, char *payload) {
    ringbus_message message;
    ringbus_code code;
    while ((code = ringbus_subscriber_poll(subscriber, &message)) == RINGBUS_EMPTY) {
    }
    OK(code);
    memcpy(payload, message.payload, PAYLOAD);
    OK(ringbus_subscriber_release(subscriber));
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void ping(uint64_t count) {
    ringbus_subscriber *pongs = subscriber_of("pong");
    ringbus_publisher *pings = publisher_of("ping");
    uint64_t *times = (uint64_t *)malloc(count * sizeof *times), n;
    char payload[PAYLOAD] = {7};
    OK(ringbus_publisher_wait_subscribers(pings, 1, RINGBUS_FOREVER));
    for (n = 0; n < count; n++) {
        uint64_t start = now_ns();
        send(pings, payload);
        await(pongs, payload);
        times[n] = now_ns() - start;
    }
    qsort(times, count, sizeof *times, by_value);
    printf("%.1f\n", (double)times[count / 2] / 2);
    free(times);
}

static void pong(uint64_t count) {
    ringbus_subscriber *pings = subscriber_of("ping");
    ringbus_publisher *pongs = publisher_of("pong");
    char payload[PAYLOAD];
    uint64_t n;
    for (n = 0; n < count; n++) {
        await(pings, payload);
        send(pongs, payload);
    }
}

static void source(uint64_t count) {
    ringbus_publisher *publisher = publisher_of("stream");
    char payload[PAYLOAD] = {7};
    uint64_t n;
    OK(ringbus_publisher_wait_subscribers(publisher, 1, RINGBUS_FOREVER));
    for (n = 0; n < count; n++) {
        send(publisher, payload);
    }
}

static void sink(uint64_t count, size_t batch) {
    ringbus_subscriber *subscriber = subscriber_of("stream");
    ringbus_message messages[BATCH_MAX];
    uint64_t n = 0, sum = 0, start = 0;
    size_t taken, i;
    while (n < count) {
        ringbus_code code = batch == 1
                                ? ringbus_subscriber_poll(subscriber, messages)
                                : ringbus_subscriber_poll_batch(subscriber, messages, batch, &taken);
        if (code == RINGBUS_EMPTY) {
            continue;
        }
        OK(code);
        if (n == 0) {
            start = now_ns();
        }
        taken = batch == 1 ? 1 : taken;
        for (i = 0; i < taken; i++) {
            sum += *(const unsigned char *)messages[i].payload;
        }
        n += taken;
    }
    printf("%.3f\n", (double)(now_ns() - start) / (double)count);
    if (sum != 7 * count) {
        exit(1);
    }
}

/* What the instructions cost: one thread, caches warm. */
static void single(uint64_t count, int is_polling) {
    ringbus_subscriber *subscriber = subscriber_of("single");
    ringbus_publisher *publisher = publisher_of("single");
    char payload[PAYLOAD] = {7};
    uint64_t n, i, spent = 0, sum = 0;
    ringbus_message message;
    for (n = 0; n < count; n += BATCH_MAX) {
        uint64_t start = now_ns(), middle, end;
        for (i = 0; i < BATCH_MAX; i++) {
            send(publisher, payload);
        }
        middle = now_ns();
        while (ringbus_subscriber_poll(subscriber, &message) == RINGBUS_OK) {
            sum += *(const unsigned char *)message.payload;
        }
        end = now_ns();
        spent += is_polling ? end - middle : middle - start;
    }
    printf("%.3f\n", (double)spent / (double)n);
    if (sum != 7 * n) {
        exit(1);
    }
}

int main(int argc, char **argv) {
    ringbus_bus_options options = ringbus_bus_options_init();
    uint64_t count;
    if (argc < 4) {
        return 2;
    }
    count = strtoull(argv[3], NULL, 10);
    options.directory = argv[2];
    OK(ringbus_bus_open("bench", &options, &bus));
    if (strcmp(argv[1], "ping") == 0) {
        ping(count);
    } else if (strcmp(argv[1], "pong") == 0) {
        pong(count);
    } else if (strcmp(argv[1], "source") == 0) {
        source(count);
    } else if (strcmp(argv[1], "sink") == 0) {
        sink(count, argc > 4 ? (size_t)atoi(argv[4]) : 1);
    } else {
        single(count, strcmp(argv[1], "poll") == 0);
    }
    return 0;
}

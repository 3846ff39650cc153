/*
 * Camera frames of 8 MiB, drawn and viewed in place: not one byte of them is copied.
 *
 *   camera shoot DIRECTORY COUNT
 *   camera view DIRECTORY COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringbus.h>

#define SECOND ((uint64_t)1000000000)
#define FRAME_BYTES ((size_t)8 << 20)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s: %s\n", #condition, ringbus_last_error());                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static ringbus_topic *open_topic(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    options.payload_fixed_bytes = FRAME_BYTES;
    options.alignment_bytes = 4096;
    options.capacity_slots = 2;
    options.max_subscribers = 1;
    CHECK(ringbus_topic_open_or_create(bus, "camera/front", &options, &topic) == RINGBUS_OK);
    return topic;
}

static unsigned char shade(uint64_t n) { return (unsigned char)(n * 10); }

static void shoot(ringbus_topic *topic, uint64_t count) {
    ringbus_publisher *publisher = NULL;
    uint64_t n;
    CHECK(ringbus_publisher_open(topic, &publisher) == RINGBUS_OK);
    CHECK(ringbus_publisher_wait_subscribers(publisher, 1, 60 * SECOND) == RINGBUS_OK);
    for (n = 0; n < count; n++) {
        ringbus_loan frame;
        CHECK(ringbus_loan_open(publisher, FRAME_BYTES, 60 * SECOND, &frame) == RINGBUS_OK);
        memset(frame.payload, shade(n), FRAME_BYTES); /* draws where the viewer will look */
        CHECK(ringbus_loan_commit(publisher, &frame, RINGBUS_FOREVER, NULL) == RINGBUS_OK);
    }
    ringbus_publisher_close(publisher);
}

static void view(ringbus_topic *topic, uint64_t count) {
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_subscriber *subscriber = NULL;
    uint64_t n;
    options.delivery = RINGBUS_RELIABLE;
    options.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    CHECK(ringbus_subscriber_open(topic, &options, &subscriber) == RINGBUS_OK);
    for (n = 0; n < count; n++) {
        ringbus_message frame;
        const unsigned char *pixels;
        size_t i;
        CHECK(ringbus_subscriber_wait(subscriber, 60 * SECOND) == RINGBUS_OK);
        CHECK(ringbus_subscriber_poll(subscriber, &frame) == RINGBUS_OK);
        CHECK(frame.sequence == n && frame.payload_len_bytes == FRAME_BYTES);
        pixels = (const unsigned char *)frame.payload;
        for (i = 0; i < FRAME_BYTES; i++) {
            if (pixels[i] != shade(n)) {
                fprintf(stderr, "frame %llu is torn at %zu\n", (unsigned long long)n, i);
                exit(1);
            }
        }
    }
    ringbus_subscriber_close(subscriber);
}

int main(int argc, char **argv) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    ringbus_topic *topic;
    if (argc != 4) {
        fprintf(stderr, "usage: %s shoot|view DIRECTORY COUNT\n", argv[0]);
        return 2;
    }
    options.directory = argv[2];
    CHECK(ringbus_bus_open(NULL, &options, &bus) == RINGBUS_OK);
    topic = open_topic(bus);
    if (strcmp(argv[1], "shoot") == 0) {
        shoot(topic, strtoull(argv[3], NULL, 10));
    } else {
        view(topic, strtoull(argv[3], NULL, 10));
    }
    ringbus_topic_close(topic);
    ringbus_bus_close(bus);
    return 0;
}

/*
 * Order-book updates from a feed to a strategy: one type in C, C++ and Rust, nothing lost.
 *
 *   order_book feed DIRECTORY COUNT
 *   order_book strategy DIRECTORY COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringbus.h>

#define SECOND ((uint64_t)1000000000)
#define BATCH 64

/* The new quantity at one price of one instrument; zero removes the price. */
typedef struct {
    int64_t price_ticks;
    uint64_t quantity;
    uint32_t instrument;
    uint32_t is_ask;
} book_update;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s: %s\n", #condition, ringbus_last_error());                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The market, made up. */
static book_update update_of(uint64_t n) {
    book_update update;
    update.instrument = (uint32_t)(n % 4);
    update.is_ask = (uint32_t)(n / 4 % 2);
    update.price_ticks = update.is_ask ? 1001 + (int64_t)(n * 7 % 10) : 999 - (int64_t)(n * 7 % 10);
    update.quantity = n % 5 * 100;
    return update;
}

static ringbus_topic *open_topic(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    /* Whoever opens the topic with another type is told so. */
    options.type_name = "BookUpdate";
    options.type_size_bytes = sizeof(book_update);
    options.type_alignment_bytes = 8;
    options.payload_fixed_bytes = sizeof(book_update);
    CHECK(ringbus_topic_open_or_create(bus, "market/books", &options, &topic) == RINGBUS_OK);
    return topic;
}

static void feed(ringbus_topic *topic, uint64_t count) {
    ringbus_publisher *publisher = NULL;
    uint64_t n;
    CHECK(ringbus_publisher_open(topic, &publisher) == RINGBUS_OK);
    CHECK(ringbus_publisher_wait_subscribers(publisher, 1, 60 * SECOND) == RINGBUS_OK);
    for (n = 0; n < count; n++) {
        book_update update = update_of(n);
        /* The tag lets a subscriber tell instruments apart without reading the payload. */
        CHECK(ringbus_publish_with(publisher, &update, sizeof update, update.instrument, 0,
                                   60 * SECOND, NULL) == RINGBUS_OK);
    }
    ringbus_publisher_close(publisher);
}

static void strategy(ringbus_topic *topic, uint64_t count) {
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_subscriber *subscriber = NULL;
    ringbus_message messages[BATCH];
    size_t taken, i;
    uint64_t n = 0, volume = 0;
    options.delivery = RINGBUS_RELIABLE; /* the feed waits rather than overwrite what is not read */
    options.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    CHECK(ringbus_subscriber_open(topic, &options, &subscriber) == RINGBUS_OK);
    while (n < count) {
        ringbus_code code = ringbus_subscriber_poll_batch(subscriber, messages, BATCH, &taken);
        if (code == RINGBUS_EMPTY) {
            CHECK(ringbus_subscriber_wait(subscriber, 60 * SECOND) == RINGBUS_OK);
            continue;
        }
        CHECK(code == RINGBUS_OK);
        for (i = 0; i < taken; i++, n++) {
            /* In place: the update is where the feed wrote it. */
            const book_update *update = (const book_update *)messages[i].payload;
            book_update expected = update_of(n);
            CHECK(messages[i].sequence == n && messages[i].tag == update->instrument);
            CHECK(memcmp(update, &expected, sizeof expected) == 0);
            volume += update->quantity;
        }
    }
    printf("%llu updates, none lost, volume %llu\n", (unsigned long long)n,
           (unsigned long long)volume);
    ringbus_subscriber_close(subscriber);
}

int main(int argc, char **argv) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    ringbus_topic *topic;
    uint64_t count;
    if (argc != 4) {
        fprintf(stderr, "usage: %s feed|strategy DIRECTORY COUNT\n", argv[0]);
        return 2;
    }
    count = strtoull(argv[3], NULL, 10);
    options.directory = argv[2];
    CHECK(ringbus_bus_open(NULL, &options, &bus) == RINGBUS_OK);
    topic = open_topic(bus);
    if (strcmp(argv[1], "feed") == 0) {
        feed(topic, count);
    } else {
        strategy(topic, count);
    }
    ringbus_topic_close(topic);
    ringbus_bus_close(bus);
    return 0;
}

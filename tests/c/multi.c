/*
 * Subscriptions to many topics: what they do, and what they refuse. Compiled as C and as C++.
 *
 *   multi DIRECTORY [REPEATS]
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include <pthread.h>

#include "check.h"

/* How often what goes wrong only at times is tried. */
static unsigned repeats = 20000;

static ringbus_multi_subscriber *subscribe(ringbus_bus *bus, const char *pattern,
                                           const ringbus_multi_options *options) {
    ringbus_multi_subscriber *subscriber = NULL;
    OK(ringbus_multi_subscriber_open(bus, &pattern, 1, options, &subscriber));
    CHECK(subscriber != NULL);
    return subscriber;
}

static int is(const ringbus_multi_message *message, const char *topic, const char *text) {
    return strcmp(message->topic, topic) == 0 &&
           message->message.payload_len_bytes == strlen(text) &&
           memcmp(message->message.payload, text, strlen(text)) == 0;
}

/* Topics that are there and those that come later, each message with its topic, in turn. */
static void check_turns(ringbus_bus *bus) {
    const char *const patterns[] = {"turns/*", "turns/b", "elsewhere/>"};
    ringbus_publisher *a = publisher_of(bus, "turns/a", 64, RINGBUS_TIME_NONE), *b;
    ringbus_multi_subscriber *subscriber = NULL;
    ringbus_multi_message message;
    const ringbus_multi_topic *const *topics = NULL;
    ringbus_attribute attributes[4], found;
    ringbus_outgoing outgoing;
    ringbus_topic *quiet = open_topic(bus, "other/topic");
    uint64_t lagged = 9;
    size_t count = 9;

    publish_text(a, "before");
    OK(ringbus_multi_subscriber_open(bus, patterns, 3, NULL, &subscriber));
    CHECK(ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_multi_subscriber_wait(subscriber, MILLISECOND) == RINGBUS_TIMEOUT);
    publish_text(a, "1");
    publish_text(a, "2");
    b = publisher_of(bus, "turns/b", 64, RINGBUS_TIME_NONE);
    publish_text(b, "3");
    memset(&outgoing, 0, sizeof outgoing);
    attributes[0] = ringbus_attribute_text("venue", "XNYS");
    attributes[1] = ringbus_attribute_int("lot", 100);
    outgoing.payload = "4";
    outgoing.payload_len_bytes = 1;
    outgoing.tag = 7;
    outgoing.attributes = attributes;
    outgoing.attribute_count = 2;
    OK(ringbus_publish_message(b, &outgoing, 0, NULL));
    {
        unsigned from_a = 0, from_b = 0;
        while (from_a + from_b < 4) {
            ringbus_code code = ringbus_multi_subscriber_poll(subscriber, &message);
            if (code == RINGBUS_EMPTY) {
                OK(ringbus_multi_subscriber_wait(subscriber, PATIENCE));
                continue;
            }
            CHECK(code == RINGBUS_OK);
            if (strcmp(message.topic, "turns/a") == 0) {
                CHECK(is(&message, "turns/a", from_a == 0 ? "1" : "2"));
                CHECK(message.message.sequence == from_a + 1);
                CHECK(message.pattern_count == 1 && message.patterns[0] == 0);
                OK(ringbus_multi_subscriber_attributes(subscriber, NULL, 0, &count));
                CHECK(count == 0);
                from_a++;
            } else {
                CHECK(is(&message, "turns/b", from_b == 0 ? "3" : "4"));
                CHECK(message.message.sequence == from_b && message.message.publisher == 0);
                CHECK(message.pattern_count == 2 && message.patterns[1] == 1);
                if (from_b == 1) {
                    CHECK(message.message.tag == 7);
                    OK(ringbus_multi_subscriber_attributes(subscriber, attributes, 4, &count));
                    CHECK(count == 2 && ringbus_attribute_is_text(&attributes[0], "XNYS"));
                    OK(ringbus_multi_subscriber_attribute(subscriber, "lot", &found));
                    CHECK(found.integer == 100);
                    CHECK(ringbus_multi_subscriber_attribute(subscriber, "no", &found) ==
                          RINGBUS_ABSENT);
                    /* Reading them took nothing back. */
                    CHECK(is(&message, "turns/b", "4"));
                }
                from_b++;
            }
        }
        CHECK(from_a == 2 && from_b == 2);
    }
    CHECK(ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    REFUSED(ringbus_multi_subscriber_attribute(subscriber, "lot", &found), RINGBUS_NO_MESSAGE);
    publish_text(a, "left");
    OK(ringbus_multi_subscriber_topics(subscriber, &topics, &count));
    CHECK(count == 2 && strcmp(topics[0]->name, "turns/a") == 0);
    CHECK(topics[0]->cursor == 3 && topics[0]->lag == 1 && topics[0]->lagged == 0);
    CHECK(topics[1]->cursor == 2 && topics[1]->lag == 0 && topics[1]->skipped == 0);
    CHECK(topics[1]->size_bytes == sizeof *topics[1]);
    OK(ringbus_multi_subscriber_lagged(subscriber, &lagged));
    CHECK(lagged == 0);
    OK(ringbus_multi_subscriber_poll(subscriber, &message));
    CHECK(is(&message, "turns/a", "left"));
    OK(ringbus_multi_subscriber_release(subscriber));
    REFUSED(ringbus_multi_subscriber_attributes(subscriber, NULL, 0, &count), RINGBUS_NO_MESSAGE);
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_publisher_close(a));
    OK(ringbus_publisher_close(b));
    OK(ringbus_topic_close(quiet));
}

/* By publish time, whichever topic a message is on and whatever clock that keeps. */
static void check_order_of_time(ringbus_bus *bus, uint32_t source) {
    const char *pattern = source == RINGBUS_TIME_CLOCK ? "clock/*" : "ticks/*";
    const char *names[] = {source == RINGBUS_TIME_CLOCK ? "clock/a" : "ticks/a",
                           source == RINGBUS_TIME_CLOCK ? "clock/b" : "ticks/b"};
    ringbus_multi_options options = ringbus_multi_options_init();
    ringbus_topic_options has = ringbus_topic_options_init();
    ringbus_publisher *publishers[2];
    ringbus_multi_subscriber *subscriber;
    ringbus_multi_message message;
    ringbus_topic *probe = NULL;
    uint64_t last_ns = 0;
    unsigned n;

    has.time = source;
    if (ringbus_topic_create(bus, "probe", &has, &probe) == RINGBUS_NO_TSC) {
        return;
    }
    OK(ringbus_topic_close(probe));
    OK(ringbus_bus_remove(bus, "probe", 0));
    publishers[0] = publisher_of(bus, names[0], 64, source);
    publishers[1] = publisher_of(bus, names[1], 64, source);
    options.order = RINGBUS_ORDER_TIME;
    options.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    for (n = 0; n < 30; n++) {
        OK(ringbus_publish(publishers[n % 3 % 2], &n, sizeof n, 0, NULL));
        if (source == RINGBUS_TIME_TSC) {
            pass(TICKS_ERROR);
        }
    }
    subscriber = subscribe(bus, pattern, &options);
    for (n = 0; n < 30; n++) {
        OK(ringbus_multi_subscriber_poll(subscriber, &message));
        CHECK(memcmp(message.message.payload, &n, sizeof n) == 0);
        CHECK(strcmp(message.topic, names[n % 3 % 2]) == 0);
        CHECK(message.message.time_ns >= last_ns && message.message.time_ns > 0);
        last_ns = message.message.time_ns;
    }
    CHECK(ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_publisher_close(publishers[0]));
    OK(ringbus_publisher_close(publishers[1]));
}

/* What is lost is told per topic, exactly, and the rest comes. */
static void check_losses(ringbus_bus *bus) {
    ringbus_publisher *small = publisher_of(bus, "losses/small", 8, RINGBUS_TIME_NONE);
    ringbus_publisher *large = publisher_of(bus, "losses/large", 64, RINGBUS_TIME_NONE);
    ringbus_multi_subscriber *subscriber = subscribe(bus, "losses/*", NULL);
    ringbus_failure failure = ringbus_failure_init();
    ringbus_multi_message message;
    uint64_t lagged = 0, missed = 0, read_small = 0, read_large = 0;
    ringbus_code code;
    unsigned n;

    for (n = 0; n < 20; n++) {
        OK(ringbus_publish(small, &n, sizeof n, 0, NULL));
        OK(ringbus_publish(large, &n, sizeof n, 0, NULL));
    }
    while ((code = ringbus_multi_subscriber_poll(subscriber, &message)) != RINGBUS_EMPTY) {
        if (code == RINGBUS_LAGGED) {
            OK(ringbus_last_failure(&failure));
            CHECK(failure.topic != NULL && strcmp(failure.topic, "losses/small") == 0);
            CHECK(strncmp(ringbus_last_error(), "topic losses/small: ", 20) == 0);
            missed += failure.missed;
            continue;
        }
        CHECK(code == RINGBUS_OK);
        read_small += strcmp(message.topic, "losses/small") == 0;
        read_large += strcmp(message.topic, "losses/large") == 0;
    }
    CHECK(missed >= 12 && read_small + missed == 20 && read_large == 20);
    OK(ringbus_multi_subscriber_lagged(subscriber, &lagged));
    CHECK(lagged == missed);
    /* A failure that is about no topic names none. */
    REFUSED(ringbus_multi_subscriber_poll(NULL, &message), RINGBUS_NULL_ARGUMENT);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.topic == NULL);
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_publisher_close(small));
    OK(ringbus_publisher_close(large));
}

/* A topic that cannot be joined is told of once, by name, and left out. */
static void check_left_out(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_topic *full = NULL;
    ringbus_subscriber *only = NULL;
    ringbus_multi_subscriber *subscriber;
    ringbus_multi_message message;
    ringbus_publisher *other;

    options.max_subscribers = 1;
    OK(ringbus_topic_create(bus, "left/out", &options, &full));
    OK(ringbus_subscriber_open(full, NULL, &only));
    subscriber = subscribe(bus, "left/*", NULL);
    other = publisher_of(bus, "left/in", 8, RINGBUS_TIME_NONE);
    publish_text(other, "x");
    REFUSED(ringbus_multi_subscriber_poll(subscriber, &message), RINGBUS_TOO_MANY_SUBSCRIBERS);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.topic != NULL && strcmp(failure.topic, "left/out") == 0);
    OK(ringbus_multi_subscriber_wait(subscriber, PATIENCE));
    OK(ringbus_multi_subscriber_poll(subscriber, &message));
    CHECK(is(&message, "left/in", "x"));
    CHECK(ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_publisher_close(other));
    OK(ringbus_subscriber_close(only));
    OK(ringbus_topic_close(full));
}

static int32_t is_long(void *asked, const void *payload, size_t len) {
    (void)payload;
    ++*(unsigned *)asked;
    return len > 1;
}

/* Filters, and publishers that wait for a reliable one. */
static void check_wishes(ringbus_bus *bus) {
    ringbus_publisher *publisher = publisher_of(bus, "wishes/a", 8, RINGBUS_TIME_NONE);
    ringbus_multi_options options = ringbus_multi_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_multi_subscriber *subscriber, *tested;
    const ringbus_multi_topic *const *topics = NULL;
    ringbus_multi_message message;
    const uint64_t tags[] = {1, 3};
    unsigned n, asked = 0;
    size_t count = 0;

    filter.tags = tags;
    filter.tag_count = 2;
    options.filter = &filter;
    options.delivery = RINGBUS_RELIABLE;
    options.spin_ns = RINGBUS_ZERO;
    options.stall_timeout_ns = 3600 * SECOND;
    subscriber = subscribe(bus, "wishes/*", &options);
    filter = ringbus_filter_init();
    filter.payload_test = is_long;
    filter.payload_test_context = &asked;
    options.delivery = RINGBUS_LOSSY;
    tested = subscribe(bus, "wishes/*", &options);
    for (n = 0; n < 8; n++) {
        OK(ringbus_publish_with(publisher, "long", n % 2 ? 4 : 1, n % 4, 0, 0, NULL));
    }
    CHECK(ringbus_publish(publisher, "x", 1, 0, NULL) == RINGBUS_FULL);
    for (n = 0; n < 4; n++) {
        OK(ringbus_multi_subscriber_poll(subscriber, &message));
        CHECK(message.message.tag == (n % 2 ? 3 : 1));
        OK(ringbus_multi_subscriber_poll(tested, &message));
        CHECK(message.message.sequence == 2 * n + 1);
    }
    CHECK(asked == 8);
    CHECK(ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_multi_subscriber_topics(subscriber, &topics, &count));
    CHECK(count == 1 && topics[0]->skipped == 4);
    OK(ringbus_publish(publisher, "x", 1, 0, NULL));
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_multi_subscriber_close(tested));
    OK(ringbus_publisher_close(publisher));
}

static void check_refusals(ringbus_bus *bus) {
    const char *patterns[] = {"a/*", NULL}, *invalid = "a/>/b", *broken = "\xff";
    ringbus_multi_options options = ringbus_multi_options_init();
    ringbus_multi_subscriber *subscriber = NULL, *closed;
    ringbus_multi_message message;
    const ringbus_multi_topic *const *topics = NULL;
    ringbus_attribute attribute;
    uint64_t number = 0;
    size_t count = 0;
    unsigned n;

    REFUSED(ringbus_multi_subscriber_open(bus, NULL, 1, NULL, &subscriber), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 0, NULL, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 2, NULL, &subscriber),
            RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 1, NULL, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(NULL, patterns, 1, NULL, &subscriber),
            RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(bus, &invalid, 1, NULL, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_open(bus, &broken, 1, NULL, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    options.delivery = 9;
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 1, &options, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_multi_options_init();
    options.order = 9;
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 1, &options, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_multi_options_init();
    options.start.kind = 9;
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 1, &options, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    options.size_bytes = 8;
    REFUSED(ringbus_multi_subscriber_open(bus, patterns, 1, &options, &subscriber),
            RINGBUS_INVALID_ARGUMENT);
    CHECK(subscriber == NULL);

    subscriber = subscribe(bus, "a/*", NULL);
    REFUSED(ringbus_multi_subscriber_poll(subscriber, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_topics(subscriber, NULL, &count), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_topics(subscriber, &topics, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_lagged(subscriber, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_attribute(subscriber, NULL, &attribute),
            RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_multi_subscriber_attributes(subscriber, NULL, 1, &count),
            RINGBUS_NULL_ARGUMENT);
    closed = subscriber;
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_multi_subscriber_close(NULL));
    for (n = 0; n < WRONG_HANDLES; n++) {
        const wrong_handle one = wrong(n, closed, bus);
        subscriber = (ringbus_multi_subscriber *)one.handle;
        REFUSED(ringbus_multi_subscriber_poll(subscriber, &message), one.expected);
        REFUSED(ringbus_multi_subscriber_wait(subscriber, 0), one.expected);
        REFUSED(ringbus_multi_subscriber_release(subscriber), one.expected);
        REFUSED(ringbus_multi_subscriber_attributes(subscriber, NULL, 0, &count), one.expected);
        REFUSED(ringbus_multi_subscriber_attribute(subscriber, "k", &attribute), one.expected);
        REFUSED(ringbus_multi_subscriber_topics(subscriber, &topics, &count), one.expected);
        REFUSED(ringbus_multi_subscriber_lagged(subscriber, &number), one.expected);
        if (n > 0) {
            REFUSED(ringbus_multi_subscriber_close(subscriber), one.expected);
        }
    }
}

/* One handle, several threads at once: each call is done or refused, and no message is taken twice. */
typedef struct {
    ringbus_multi_subscriber *subscriber;
    uint64_t taken;
} worker;

static void *hammer(void *argument) {
    worker *w = (worker *)argument;
    unsigned n;
    for (n = 0; n < repeats; n++) {
        ringbus_multi_message message;
        ringbus_code code = ringbus_multi_subscriber_poll(w->subscriber, &message);
        CHECK(code == RINGBUS_OK || code == RINGBUS_EMPTY || code == RINGBUS_BUSY);
        w->taken += code == RINGBUS_OK;
    }
    return NULL;
}

static void check_threads(ringbus_bus *bus) {
    ringbus_publisher *publisher = publisher_of(bus, "threads/a", 1024, RINGBUS_TIME_NONE);
    ringbus_multi_subscriber *subscriber = subscribe(bus, "threads/*", NULL);
    ringbus_multi_message message;
    pthread_t threads[3];
    worker workers[3];
    uint64_t taken = 0;
    unsigned n;

    for (n = 0; n < 500; n++) {
        OK(ringbus_publish(publisher, &n, sizeof n, 0, NULL));
    }
    for (n = 0; n < 3; n++) {
        workers[n].subscriber = subscriber;
        workers[n].taken = 0;
        CHECK(pthread_create(&threads[n], NULL, hammer, &workers[n]) == 0);
    }
    for (n = 0; n < 3; n++) {
        CHECK(pthread_join(threads[n], NULL) == 0);
        taken += workers[n].taken;
    }
    while (ringbus_multi_subscriber_poll(subscriber, &message) == RINGBUS_OK) {
        taken++;
    }
    CHECK(taken == 500);
    OK(ringbus_multi_subscriber_close(subscriber));
    OK(ringbus_publisher_close(publisher));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, &repeats);
    ringbus_bus *bus = open_bus(directory);

    check_turns(bus);
    check_order_of_time(bus, RINGBUS_TIME_CLOCK);
    check_order_of_time(bus, RINGBUS_TIME_TSC);
    check_losses(bus);
    check_left_out(bus);
    check_wishes(bus);
    check_refusals(bus);
    check_threads(bus);
    close_bus(bus);
    return 0;
}

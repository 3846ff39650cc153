/*
 * Sends or takes numbered messages with attributes, compiled as C and as C++.
 *
 *   exchange publish DIRECTORY TOPIC COUNT
 *   exchange subscribe DIRECTORY TOPIC COUNT     checks each
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

/* The message numbered `n`: its text, and a tag that is not its number. */
static size_t compose(char *text, size_t size, uint64_t n) {
    return (size_t)snprintf(text, size, "message %llu", (unsigned long long)n);
}

static uint64_t tag_of(uint64_t n) { return n * 7 + 1; }

#define ATTRIBUTES 5

/* The attributes of the message numbered `n`, of each kind one. `text` is its text. */
static void describe(ringbus_attribute *attributes, const char *text, const uint64_t *n) {
    attributes[0] = ringbus_attribute_text("text", text);
    attributes[1] = ringbus_attribute_bytes("raw", n, sizeof *n);
    attributes[2] = ringbus_attribute_int("minus", -(int64_t)*n);
    attributes[3] = ringbus_attribute_float("half", (double)*n / 2);
    attributes[4] = ringbus_attribute_bool("odd", *n % 2 == 1);
}

static int is_same(const ringbus_attribute *a, const ringbus_attribute *b) {
    return a->key_len_bytes == b->key_len_bytes && memcmp(a->key, b->key, a->key_len_bytes) == 0 &&
           a->kind == b->kind && a->integer == b->integer &&
           a->data_len_bytes == b->data_len_bytes &&
           (a->data_len_bytes == 0 || memcmp(a->data, b->data, a->data_len_bytes) == 0) &&
           (a->kind != RINGBUS_ATTRIBUTE_FLOAT || memcmp(&a->real, &b->real, sizeof a->real) == 0);
}

static void expect(ringbus_subscriber *subscriber, uint64_t n) {
    ringbus_attribute expected[ATTRIBUTES], found[ATTRIBUTES];
    size_t count = 0, i;
    char text[64];
    ringbus_message message;
    ringbus_code code;
    size_t len = compose(text, sizeof text, n);
    while ((code = ringbus_subscriber_poll(subscriber, &message)) == RINGBUS_EMPTY) {
        OK(ringbus_subscriber_wait(subscriber, PATIENCE));
    }
    CHECK(code == RINGBUS_OK);
    CHECK(message.sequence == n);
    CHECK(message.tag == tag_of(n));
    CHECK(message.flags == (uint16_t)n);
    CHECK(message.payload_len_bytes == len);
    CHECK(memcmp(message.payload, text, len) == 0);
    describe(expected, text, &n);
    OK(ringbus_subscriber_attributes(subscriber, n, found, ATTRIBUTES, &count));
    CHECK(count == ATTRIBUTES);
    for (i = 0; i < count; i++) {
        CHECK(is_same(&found[i], &expected[i]));
    }
}

/* Every reliable subscriber is waited for, so nothing may be lost. */
static void publish_all(ringbus_topic *topic, uint64_t count) {
    uint64_t n;
    ringbus_publisher *publisher = NULL;
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_publisher_wait_subscribers(publisher, 1, PATIENCE));
    for (n = 0; n < count; n++) {
        char text[64];
        uint64_t sequence = UINT64_MAX;
        ringbus_attribute attributes[ATTRIBUTES];
        ringbus_outgoing outgoing;
        memset(&outgoing, 0, sizeof outgoing);
        outgoing.payload = text;
        outgoing.payload_len_bytes = compose(text, sizeof text, n);
        outgoing.tag = tag_of(n);
        outgoing.flags = (uint16_t)n;
        outgoing.attributes = attributes;
        outgoing.attribute_count = ATTRIBUTES;
        describe(attributes, text, &n);
        OK(ringbus_publish_message(publisher, &outgoing, PATIENCE, &sequence));
        CHECK(sequence == n);
    }
    OK(ringbus_publisher_close(publisher));
}

static void subscribe_all(ringbus_topic *topic, uint64_t count) {
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_subscriber *subscriber = NULL;
    uint64_t n, lost = UINT64_MAX;
    options.delivery = RINGBUS_RELIABLE;
    options.start = ringbus_start_at(RINGBUS_START_OLDEST, 0);
    OK(ringbus_subscriber_open(topic, &options, &subscriber));
    for (n = 0; n < count; n++) {
        expect(subscriber, n);
    }
    OK(ringbus_subscriber_lagged(subscriber, &lost));
    CHECK(lost == 0);
    OK(ringbus_subscriber_close(subscriber));
}

int main(int argc, char **argv) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_bus *bus;
    ringbus_topic *topic = NULL;
    if (argc != 5) {
        fprintf(stderr, "usage: %s publish|subscribe DIRECTORY TOPIC COUNT\n", argv[0]);
        return 2;
    }
    bus = open_bus(argv[2]);
    options.attributes_max_bytes = 128;
    OK(ringbus_topic_open_or_create(bus, argv[3], &options, &topic));
    if (strcmp(argv[1], "publish") == 0) {
        publish_all(topic, strtoull(argv[4], NULL, 10));
    } else {
        subscribe_all(topic, strtoull(argv[4], NULL, 10));
    }
    OK(ringbus_topic_close(topic));
    OK(ringbus_bus_close(bus));
    CHECK(ringbus_open_handles() == 0);
    return 0;
}

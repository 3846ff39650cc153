/*
 * Attributes, the policies that look at them, and filters that sample or ask the program: each as its
 * documentation says, and as a program must not use it. Compiled as C and as C++.
 *
 *   attributes DIRECTORY
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

static int32_t is_even(void *context, const void *payload, size_t payload_len_bytes) {
    uint64_t number = 0;
    CHECK(payload_len_bytes == sizeof number);
    memcpy(&number, payload, sizeof number);
    ++*(unsigned *)context;
    return number % 2 == 0;
}

/* No tag of all, every n-th, one in a time, and a test of the payload by the program itself. */
static void check_sampling(ringbus_bus *bus) {
    static const uint64_t none[] = {0};
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_filter filters[4];
    ringbus_topic *topic = open_topic(bus, "sampling");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscribers[4];
    ringbus_message messages[16];
    unsigned asked = 0;
    uint64_t n;
    size_t count = 0;

    for (n = 0; n < 4; n++) {
        filters[n] = ringbus_filter_init();
    }
    filters[0].tags = none;
    filters[1].every = 4;
    filters[2].interval_ns = 3600 * SECOND;
    filters[3].payload_test = is_even;
    filters[3].payload_test_context = &asked;
    filters[3].every = 2;
    OK(ringbus_publisher_open(topic, &publisher));
    for (n = 0; n < 4; n++) {
        options.filter = &filters[n];
        OK(ringbus_subscriber_open(topic, &options, &subscribers[n]));
    }
    for (n = 0; n < 12; n++) {
        OK(ringbus_publish(publisher, &n, sizeof n, 0, NULL));
    }
    CHECK(ringbus_subscriber_poll_batch(subscribers[0], messages, 16, &count) == RINGBUS_EMPTY);
    OK(ringbus_subscriber_poll_batch(subscribers[1], messages, 16, &count));
    CHECK(count == 3 && messages[0].sequence == 0 && messages[2].sequence == 8);
    OK(ringbus_subscriber_poll_batch(subscribers[2], messages, 16, &count));
    CHECK(count == 1 && messages[0].sequence == 0);
    OK(ringbus_subscriber_poll_batch(subscribers[3], messages, 16, &count));
    CHECK(asked == 12 && count == 3);
    CHECK(messages[0].sequence == 0 && messages[1].sequence == 4 && messages[2].sequence == 8);
    for (n = 0; n < 4; n++) {
        OK(ringbus_subscriber_close(subscribers[n]));
    }
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_topic_close(topic));
}

/* Each kind of attribute, by each way to publish, in place and by copy. */
static void check_uses(ringbus_bus *bus) {
    static const char raw[] = {1, 0, 2};
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options choosy = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_topic *topic = NULL, *plain = open_topic(bus, "no attributes");
    ringbus_publisher *publisher = NULL, *without = NULL;
    ringbus_subscriber *subscriber = NULL, *chosen = NULL;
    ringbus_observer *observer = NULL;
    ringbus_outgoing outgoing[3];
    ringbus_attribute attributes[6], found[6], one;
    ringbus_message message, messages[4];
    ringbus_loan loan;
    const ringbus_topic_info *info = NULL;
    uint64_t sequence = 9;
    int32_t matches = 0;
    size_t count = 0, n;

    options.attributes_max_bytes = 128;
    OK(ringbus_topic_create(bus, "attributes", &options, &topic));
    options.attributes_max_bytes = 64;
    CHECK(ringbus_topic_open(bus, "attributes", &options, &topic) == RINGBUS_MISMATCH);
    OK(ringbus_topic_describe(topic, &info));
    CHECK(info->attributes_max_bytes == 128);
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    OK(ringbus_observer_open(topic, ringbus_start_at(RINGBUS_START_LATEST, 0), &observer));
    filter.policy = "{\"venue\": [{\"prefix\": \"XN\"}], \"price\": [{\"numeric\": [\">\", 100]}]}";
    choosy.filter = &filter;
    OK(ringbus_subscriber_open(topic, &choosy, &chosen));

    attributes[0] = ringbus_attribute_text("venue", "XNYS");
    attributes[1] = ringbus_attribute_bytes("raw", raw, sizeof raw);
    attributes[2] = ringbus_attribute_int("lot", -100);
    attributes[3] = ringbus_attribute_float("price", 101.25);
    attributes[4] = ringbus_attribute_bool("urgent", 2);
    attributes[5] = ringbus_attribute_text("venue", "XNAS");
    memset(outgoing, 0, sizeof outgoing);
    outgoing[0].payload = "buy";
    outgoing[0].payload_len_bytes = 3;
    outgoing[0].tag = 7;
    outgoing[0].flags = 8;
    outgoing[0].attributes = attributes;
    outgoing[0].attribute_count = 5;
    OK(ringbus_publish_message(publisher, outgoing, 0, &sequence));
    CHECK(sequence == 0);
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.tag == 7 && message.flags == 8 && message.payload_len_bytes == 3);
    OK(ringbus_subscriber_attributes(subscriber, 0, found, 6, &count));
    CHECK(count == 5);
    CHECK(found[0].key_len_bytes == 5 && memcmp(found[0].key, "venue", 5) == 0);
    CHECK(ringbus_attribute_is_text(&found[0], "XNYS"));
    CHECK(!ringbus_attribute_is_text(&found[0], "XNY") && !ringbus_attribute_is_text(&found[1], ""));
    CHECK(found[1].kind == RINGBUS_ATTRIBUTE_BYTES && found[1].data_len_bytes == 3);
    CHECK(memcmp(found[1].data, raw, 3) == 0);
    CHECK(found[2].kind == RINGBUS_ATTRIBUTE_INT && found[2].integer == -100);
    CHECK(found[2].real < -99.5 && found[2].real > -100.5);
    CHECK(found[3].kind == RINGBUS_ATTRIBUTE_FLOAT && found[3].real > 101 && found[3].real < 102);
    CHECK(found[4].kind == RINGBUS_ATTRIBUTE_BOOL && found[4].integer == 1);
    count = 0;
    OK(ringbus_subscriber_attributes(subscriber, 0, NULL, 0, &count));
    CHECK(count == 5);
    OK(ringbus_subscriber_attributes(subscriber, 0, &one, 1, &count));
    CHECK(count == 5 && ringbus_attribute_is_text(&one, "XNYS"));
    OK(ringbus_subscriber_attribute(subscriber, 0, "lot", &one));
    CHECK(one.integer == -100);
    CHECK(ringbus_subscriber_attribute(subscriber, 0, "lots", &one) == RINGBUS_ABSENT);
    CHECK(ringbus_subscriber_attribute(subscriber, 1, "lot", &one) == RINGBUS_NO_MESSAGE);
    OK(ringbus_observer_poll(observer, &message));
    OK(ringbus_observer_attribute(observer, 0, "venue", &one));
    CHECK(ringbus_attribute_is_text(&one, "XNYS"));
    OK(ringbus_observer_attributes(observer, 0, found, 6, &count));
    CHECK(count == 5 && found[3].real > 101);
    CHECK(ringbus_observer_attribute(observer, 0, "x", &one) == RINGBUS_ABSENT);
    CHECK(ringbus_observer_attribute(observer, 1, "x", &one) == RINGBUS_NO_MESSAGE);

    /* What was read is published again as it is; the last of one key counts; each message has its own. */
    outgoing[1].attributes = found;
    outgoing[1].attribute_count = 5;
    outgoing[2] = outgoing[0];
    outgoing[2].attribute_count = 6;
    outgoing[0].attribute_count = 0;
    OK(ringbus_publish_batch(publisher, outgoing, 3, 0, &count));
    CHECK(count == 3);
    OK(ringbus_subscriber_poll_batch(subscriber, messages, 4, &count));
    CHECK(count == 3);
    OK(ringbus_subscriber_attributes(subscriber, 1, NULL, 0, &count));
    CHECK(count == 0);
    OK(ringbus_subscriber_attribute(subscriber, 2, "venue", &one));
    CHECK(ringbus_attribute_is_text(&one, "XNYS"));
    OK(ringbus_subscriber_attribute(subscriber, 3, "venue", &one));
    CHECK(ringbus_attribute_is_text(&one, "XNAS"));
    OK(ringbus_subscriber_attributes(subscriber, 3, NULL, 0, &count));
    CHECK(count == 5);
    OK(ringbus_subscriber_release(subscriber));
    CHECK(ringbus_subscriber_attributes(subscriber, 3, NULL, 0, &count) == RINGBUS_NO_MESSAGE);

    /* A loan has those that were set last. */
    OK(ringbus_loan_open(publisher, 4, 0, &loan));
    memcpy(loan.payload, "sell", 4);
    OK(ringbus_loan_set_attributes(publisher, &loan, attributes, 2));
    OK(ringbus_loan_set_attributes(publisher, &loan, &attributes[3], 1));
    OK(ringbus_loan_commit(publisher, &loan, 0, &sequence));
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.sequence == sequence);
    OK(ringbus_subscriber_attributes(subscriber, sequence, found, 6, &count));
    CHECK(count == 1 && found[0].real > 101);

    /* The policy wants a venue and a price: the first, third and fourth message have both. */
    for (n = 0; n < 3; n++) {
        static const uint64_t wanted[] = {0, 2, 3};
        OK(ringbus_subscriber_poll(chosen, &message));
        CHECK(message.sequence == wanted[n]);
    }
    CHECK(ringbus_subscriber_poll(chosen, &message) == RINGBUS_EMPTY);
    OK(ringbus_policy_matches(filter.policy, attributes, 5, &matches));
    CHECK(matches == 1);
    OK(ringbus_policy_matches(filter.policy, attributes, 3, &matches));
    CHECK(matches == 0);
    OK(ringbus_policy_matches("{\"x\": [{\"exists\": false}]}", NULL, 0, &matches));
    CHECK(matches == 1);

    /* What does not fit, or is not kept, is not sent. */
    OK(ringbus_publisher_open(plain, &without));
    outgoing[0].attribute_count = 5;
    CHECK(ringbus_publish_message(without, outgoing, 0, NULL) == RINGBUS_NOT_KEPT);
    outgoing[0].attribute_count = 0;
    OK(ringbus_publish_message(without, outgoing, 0, NULL));
    {
        static char text[128];
        memset(text, 'x', sizeof text - 1);
        attributes[0] = ringbus_attribute_text("long", text);
        outgoing[0].attribute_count = 1;
        CHECK(ringbus_publish_message(publisher, outgoing, 0, NULL) == RINGBUS_ATTRIBUTES_TOO_LONG);
        CHECK(strstr(ringbus_last_error(), "128") != NULL);
        OK(ringbus_loan_open(publisher, 4, 0, &loan));
        CHECK(ringbus_loan_set_attributes(publisher, &loan, attributes, 1) ==
              RINGBUS_ATTRIBUTES_TOO_LONG);
        OK(ringbus_loan_abort(publisher, &loan));
        CHECK(ringbus_loan_set_attributes(publisher, &loan, attributes, 1) == RINGBUS_NO_LOAN);
    }
    CHECK(ringbus_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_publisher_close(without));
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_subscriber_close(chosen));
    OK(ringbus_observer_close(observer));
    OK(ringbus_topic_close(plain));
    OK(ringbus_topic_close(topic));
}

/* Attributes that cannot be, and policies: the message says which, where and why, and nothing is sent. */
static void check_misuse(ringbus_bus *bus) {
    static const char *const policies[] = {"",      "{",       "[]",        "{\"a\":1}",
                                           "{\"a\":[{\"numeric\":[\"~\",1]}]}", "{\"a\":[]} x"};
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_attribute good = ringbus_attribute_int("key", 1), bad[9], found;
    ringbus_outgoing outgoing[2];
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL, *none = NULL;
    ringbus_message message;
    ringbus_loan loan;
    int32_t matches = 7;
    uint64_t published = 9;
    size_t count = 9;
    unsigned i;
    char expected[64];

    options.attributes_max_bytes = 65536;
    REFUSED(ringbus_topic_create(bus, "misuse", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options.attributes_max_bytes = 64;
    OK(ringbus_topic_create(bus, "misuse", &options, &topic));
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));

    for (i = 0; i < 9; i++) {
        bad[i] = good;
    }
    bad[0].key = NULL;
    bad[1].key_len_bytes = 0;
    bad[2].key = "\xff";
    bad[2].key_len_bytes = 1;
    bad[3].kind = 0;
    bad[4].kind = 9;
    bad[5].reserved = 1;
    bad[6].kind = RINGBUS_ATTRIBUTE_BOOL;
    bad[6].integer = 2;
    bad[7] = ringbus_attribute_bytes("key", NULL, 1);
    bad[8] = ringbus_attribute_text("key", "\xff");
    memset(outgoing, 0, sizeof outgoing);
    for (i = 0; i < 9; i++) {
        ringbus_attribute both[2];
        ringbus_code code = i == 0 || i == 7 ? RINGBUS_NULL_ARGUMENT : RINGBUS_INVALID_ARGUMENT;
        both[0] = good;
        both[1] = bad[i];
        outgoing[1].attributes = both;
        outgoing[1].attribute_count = 2;
        REFUSED(ringbus_publish_message(publisher, &outgoing[1], 0, NULL), code);
        CHECK(strncmp(ringbus_last_error(), "`attributes[1]`: ", 17) == 0);
        REFUSED(ringbus_publish_batch(publisher, outgoing, 2, 0, &count), code);
        OK(ringbus_loan_open(publisher, 1, 0, &loan));
        REFUSED(ringbus_loan_set_attributes(publisher, &loan, both, 2), code);
        OK(ringbus_loan_abort(publisher, &loan));
        REFUSED(ringbus_policy_matches("{}", both, 2, &matches), code);
    }
    outgoing[1].attributes = NULL;
    REFUSED(ringbus_publish_message(publisher, &outgoing[1], 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_publish_message(publisher, NULL, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_loan_set_attributes(publisher, NULL, NULL, 0), RINGBUS_NULL_ARGUMENT);
    OK(ringbus_publisher_published(publisher, &published));
    CHECK(published == 0 && count == 0 && matches == 7);

    OK(ringbus_publish(publisher, "x", 1, 0, NULL));
    OK(ringbus_subscriber_poll(subscriber, &message));
    REFUSED(ringbus_subscriber_attributes(subscriber, 0, NULL, 1, &count), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_subscriber_attributes(subscriber, 0, &found, 1, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_subscriber_attribute(subscriber, 0, NULL, &found), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_subscriber_attribute(subscriber, 0, "k", NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_subscriber_attribute(subscriber, 0, "\xff", &found), RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_subscriber_attribute(subscriber, 9, "k", &found), RINGBUS_NO_MESSAGE);

    how.filter = &filter;
    for (i = 0; i < sizeof policies / sizeof *policies; i++) {
        filter.policy = policies[i];
        REFUSED(ringbus_subscriber_open(topic, &how, &none), RINGBUS_INVALID_ARGUMENT);
        OK(ringbus_last_failure(&failure));
        snprintf(expected, sizeof expected, "policy, line %u column %u: ", (unsigned)failure.line,
                 (unsigned)failure.column);
        CHECK(failure.line == 1);
        CHECK(strncmp(ringbus_last_error(), expected, strlen(expected)) == 0);
        REFUSED(ringbus_policy_matches(policies[i], NULL, 0, &matches), RINGBUS_INVALID_ARGUMENT);
    }
    CHECK(none == NULL);
    filter.policy = "{\"venue\":\n [{\"prefx\": \"X\"}]}";
    REFUSED(ringbus_subscriber_open(topic, &how, &none), RINGBUS_INVALID_ARGUMENT);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.line == 2 && strstr(ringbus_last_error(), "unknown condition \"prefx\""));
    REFUSED(ringbus_policy_matches(NULL, NULL, 0, &matches), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_policy_matches("{}", NULL, 1, &matches), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_policy_matches("{}", NULL, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_pattern_matches("a/b*", "a", &matches), RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_pattern_matches(NULL, "a", &matches), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_pattern_matches("a", NULL, &matches), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_now(NULL), RINGBUS_NULL_ARGUMENT);

    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

/* A test of payloads that uses the subscriber that asks it is refused, and nobody waits for ever. */
static ringbus_subscriber *asking;

static int32_t poll_below(void *context, const void *payload, size_t payload_len_bytes) {
    ringbus_message message;
    (void)context, (void)payload, (void)payload_len_bytes;
    REFUSED(ringbus_subscriber_poll(asking, &message), RINGBUS_BUSY);
    REFUSED(ringbus_subscriber_close(asking), RINGBUS_BUSY);
    return 1;
}

static void check_callback(ringbus_bus *bus) {
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_topic *topic = open_topic(bus, "callback");
    ringbus_publisher *publisher = NULL;
    ringbus_message message;
    filter.payload_test = poll_below;
    how.filter = &filter;
    OK(ringbus_subscriber_open(topic, &how, &asking));
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_publish(publisher, "x", 1, 0, NULL));
    OK(ringbus_subscriber_poll(asking, &message));
    OK(ringbus_subscriber_close(asking));
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_topic_close(topic));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, NULL);
    ringbus_bus *bus = open_bus(directory);

    check_sampling(bus);
    check_uses(bus);
    check_misuse(bus);
    check_callback(bus);
    close_bus(bus);
    return 0;
}

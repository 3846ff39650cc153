/*
 * Messages: publishing, lending, reading and observing them, compiled as C and as C++.
 *
 *   messages DIRECTORY
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

static void check_exclusive(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options reliably = ringbus_subscriber_options_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL, *second = NULL;
    ringbus_subscriber *reliable = NULL, *lossy = NULL;
    ringbus_message message, messages[16];
    ringbus_outgoing outgoing[3];
    uint64_t n, number = 0;
    uint16_t id = 1;
    size_t count = 0;

    options.capacity_slots = 8;
    options.payload_max_bytes = 64;
    OK(ringbus_topic_create(bus, "small", &options, &topic));
    OK(ringbus_publisher_open(topic, &publisher));
    CHECK(ringbus_publisher_open(topic, &second) == RINGBUS_PUBLISHER_EXISTS);
    CHECK(second == NULL);
    reliably.delivery = RINGBUS_RELIABLE;
    OK(ringbus_subscriber_open(topic, &reliably, &reliable));
    OK(ringbus_subscriber_open(topic, NULL, &lossy));
    OK(ringbus_publisher_wait_subscribers(publisher, 2, 0));
    CHECK(ringbus_publisher_wait_subscribers(publisher, 3, 0) == RINGBUS_TIMEOUT);
    OK(ringbus_publisher_id(publisher, &id));
    CHECK(id == 0);
    CHECK(ringbus_subscriber_poll(lossy, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_subscriber_latest(lossy, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_subscriber_poll_batch(lossy, messages, 16, &count) == RINGBUS_EMPTY);
    CHECK(count == 0);
    CHECK(ringbus_subscriber_wait(lossy, MILLISECOND) == RINGBUS_TIMEOUT);

    /* The reliable subscriber holds up to the topic's capacity, then the publisher is told. */
    for (n = 0; n < 8; n++) {
        OK(ringbus_publish(publisher, &n, sizeof n, 0, &number));
        CHECK(number == n);
    }
    CHECK(ringbus_publish(publisher, &n, sizeof n, 0, NULL) == RINGBUS_FULL);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.code == RINGBUS_FULL && failure.behind == 8 && failure.pid > 0);
    CHECK(strlen(ringbus_last_error()) > 0);
    CHECK(ringbus_publish(publisher, &n, sizeof n, MILLISECOND, NULL) == RINGBUS_FULL);
    OK(ringbus_subscriber_wait(reliable, 0));
    OK(ringbus_subscriber_lag(reliable, &number));
    CHECK(number == 8);
    OK(ringbus_subscriber_poll(reliable, &message));
    CHECK(message.sequence == 0 && message.payload_len_bytes == sizeof n && message.publisher == 0);
    count = 9;
    OK(ringbus_subscriber_attributes(reliable, 0, NULL, 0, &count));
    CHECK(count == 0);
    CHECK(ringbus_subscriber_attributes(reliable, 1, NULL, 0, &count) == RINGBUS_NO_MESSAGE);
    CHECK(ringbus_subscriber_time(reliable, 0, &number) == RINGBUS_NO_TIME);
    CHECK(ringbus_subscriber_time(reliable, 1, &number) == RINGBUS_NO_MESSAGE);
    OK(ringbus_subscriber_poll_batch(reliable, messages, 3, &count));
    CHECK(count == 3);
    for (n = 0; n < 3; n++) {
        CHECK(messages[n].sequence == n + 1);
        CHECK(memcmp(messages[n].payload, &messages[n].sequence, sizeof n) == 0);
    }
    CHECK(ringbus_subscriber_time(reliable, 1, &number) == RINGBUS_NO_TIME);
    CHECK(ringbus_subscriber_time(reliable, 9, &number) == RINGBUS_NO_MESSAGE);
    OK(ringbus_subscriber_held(reliable, &number));
    CHECK(number == 0);
    OK(ringbus_subscriber_cursor(reliable, &number));
    CHECK(number == 4);
    OK(ringbus_subscriber_poll_batch(reliable, messages, 16, &count));
    CHECK(count == 4);
    OK(ringbus_subscriber_release(reliable));
    OK(ringbus_subscriber_seek(reliable, ringbus_start_at(RINGBUS_START_OLDEST, 0)));
    OK(ringbus_subscriber_poll(reliable, &message));
    CHECK(message.sequence == 0);
    OK(ringbus_subscriber_release(reliable));
    CHECK(ringbus_subscriber_time(reliable, 0, &number) == RINGBUS_NO_MESSAGE);
    CHECK(ringbus_subscriber_seek(reliable, ringbus_start_at(RINGBUS_START_SEQUENCE, 9)) ==
          RINGBUS_NOT_YET);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.sequence == 8);
    CHECK(ringbus_subscriber_seek(reliable, ringbus_start_at(RINGBUS_START_TIME, 9)) ==
          RINGBUS_NO_TIME);
    OK(ringbus_subscriber_latest(reliable, &message));
    CHECK(message.sequence == 7);
    OK(ringbus_subscriber_close(reliable));

    /* The lossy one is passed, told so, counted, and goes on at the oldest that is kept. */
    memset(outgoing, 0, sizeof outgoing);
    for (n = 0; n < 3; n++) {
        outgoing[n].payload = "abc";
        outgoing[n].payload_len_bytes = n;
        outgoing[n].tag = n;
        outgoing[n].flags = (uint16_t)(n + 1);
    }
    OK(ringbus_publish_batch(publisher, outgoing, 3, 0, &count));
    CHECK(count == 3);
    outgoing[1].payload_len_bytes = 65;
    CHECK(ringbus_publish_batch(publisher, outgoing, 3, 0, &count) == RINGBUS_TOO_LONG);
    CHECK(count == 1);
    OK(ringbus_publish_batch(publisher, NULL, 0, 0, NULL));
    REFUSED(ringbus_publish_batch(publisher, NULL, 3, 0, &count), RINGBUS_NULL_ARGUMENT);
    CHECK(count == 0);
    outgoing[1].payload_len_bytes = 1;
    outgoing[1].reserved[2] = 1;
    count = 9;
    REFUSED(ringbus_publish_batch(publisher, outgoing, 3, 0, &count), RINGBUS_INVALID_ARGUMENT);
    CHECK(count == 0);
    REFUSED(ringbus_publish_message(publisher, &outgoing[1], 0, NULL), RINGBUS_INVALID_ARGUMENT);
    OK(ringbus_publisher_published(publisher, &number));
    CHECK(number == 12);
    CHECK(ringbus_subscriber_poll(lossy, &message) == RINGBUS_LAGGED);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.code == RINGBUS_LAGGED && failure.missed == 4);
    OK(ringbus_subscriber_lagged(lossy, &number));
    CHECK(number == 4);
    for (n = 4; n < 8; n++) {
        OK(ringbus_subscriber_poll(lossy, &message));
        CHECK(message.sequence == n);
    }
    for (n = 8; n < 11; n++) {
        OK(ringbus_subscriber_poll(lossy, &message));
        CHECK(message.payload != NULL && message.payload_len_bytes == n - 8);
        CHECK(message.tag == n - 8 && message.flags == n - 7);
    }

    /* Topic and bus may go first; a publisher that closes leaves its place. */
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_publisher_open(topic, &second));
    OK(ringbus_topic_close(topic));
    OK(ringbus_publish(second, NULL, 0, 0, &n));
    CHECK(n == 12);
    OK(ringbus_publisher_close(second));
    OK(ringbus_subscriber_close(lossy));
}

static void check_loans(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options reliably = ringbus_subscriber_options_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    ringbus_loan loan, other;
    ringbus_run run;
    void *payload = NULL;
    uint64_t sequence = 0;
    size_t n;

    options.capacity_slots = 4;
    options.payload_max_bytes = 64;
    OK(ringbus_topic_create(bus, "loans", &options, &topic));
    OK(ringbus_publisher_open(topic, &publisher));
    reliably.delivery = RINGBUS_RELIABLE;
    OK(ringbus_subscriber_open(topic, &reliably, &subscriber));
    CHECK(ringbus_loan_open(publisher, 65, 0, &loan) == RINGBUS_TOO_LONG);
    OK(ringbus_loan_open(publisher, 64, 0, &loan));
    CHECK(loan.payload != NULL && loan.payload_len_bytes == 64 && loan.tag == 0);
    CHECK(ringbus_loan_open(publisher, 1, 0, &other) == RINGBUS_LOAN_OUTSTANDING);
    CHECK(ringbus_publish(publisher, "x", 1, 0, NULL) == RINGBUS_LOAN_OUTSTANDING);
    memcpy(loan.payload, "loaned", 6);
    loan.payload_len_bytes = 65;
    CHECK(ringbus_loan_commit(publisher, &loan, 0, NULL) == RINGBUS_INVALID_ARGUMENT);
    loan.payload_len_bytes = 6;
    loan.tag = 7;
    loan.flags = 9;
    other = loan;
    OK(ringbus_loan_commit(publisher, &loan, 0, &sequence));
    CHECK(sequence == 0 && loan.payload == NULL && loan.id == 0);
    CHECK(ringbus_loan_commit(publisher, &loan, 0, NULL) == RINGBUS_NO_LOAN);
    CHECK(ringbus_loan_commit(publisher, &other, 0, NULL) == RINGBUS_NO_LOAN);
    CHECK(ringbus_loan_abort(publisher, &other) == RINGBUS_NO_LOAN);
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.payload_len_bytes == 6 && memcmp(message.payload, "loaned", 6) == 0);
    CHECK(message.tag == 7 && message.flags == 9);
    OK(ringbus_loan_open(publisher, 8, RINGBUS_FOREVER, &loan));
    OK(ringbus_loan_abort(publisher, &loan));
    CHECK(loan.payload == NULL);
    CHECK(ringbus_loan_abort(publisher, &loan) == RINGBUS_NO_LOAN);

    CHECK(ringbus_run_open(publisher, 5, 4, &run) == RINGBUS_RUN_TOO_LONG);
    OK(ringbus_subscriber_release(subscriber));
    OK(ringbus_run_open(publisher, 3, 4, &run));
    CHECK(ringbus_loan_open(publisher, 1, 0, &loan) == RINGBUS_LOAN_OUTSTANDING);
    for (n = 0; n < 3; n++) {
        OK(ringbus_run_payload(publisher, &run, n, &payload));
        memcpy(payload, "run\0", 4);
        ((char *)payload)[3] = (char)('0' + n);
    }
    CHECK(ringbus_run_payload(publisher, &run, 3, &payload) == RINGBUS_INVALID_ARGUMENT);
    run.tag = 5;
    OK(ringbus_run_commit(publisher, &run, &sequence));
    CHECK(sequence == 1 && run.id == 0);
    CHECK(ringbus_run_commit(publisher, &run, NULL) == RINGBUS_NO_LOAN);
    for (n = 0; n < 3; n++) {
        OK(ringbus_subscriber_poll(subscriber, &message));
        CHECK(message.sequence == n + 1 && message.tag == 5 && message.payload_len_bytes == 4);
        CHECK(((const char *)message.payload)[3] == (char)('0' + n));
    }
    OK(ringbus_run_open(publisher, 2, 4, &run));
    OK(ringbus_run_abort(publisher, &run));
    CHECK(ringbus_run_abort(publisher, &run) == RINGBUS_NO_LOAN);
    /* What is on loan when the publisher closes never was. */
    OK(ringbus_loan_open(publisher, 8, 0, &loan));
    OK(ringbus_publisher_close(publisher));
    CHECK(ringbus_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

static void check_shared(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options patiently = ringbus_subscriber_options_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *one = NULL, *two = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    ringbus_loan early, late, none;
    ringbus_run run;
    uint64_t sequence = 0;

    options.publishers = RINGBUS_SHARED;
    options.capacity_slots = 1;
    options.loans = 2;
    OK(ringbus_topic_create(bus, "shared", &options, &topic));
    OK(ringbus_publisher_open(topic, &one));
    OK(ringbus_publisher_open(topic, &two));
    patiently.delivery = RINGBUS_RELIABLE;
    patiently.stall_timeout_ns = 5 * MILLISECOND;
    patiently.spin_ns = RINGBUS_ZERO;
    OK(ringbus_subscriber_open(topic, &patiently, &subscriber));
    OK(ringbus_loan_open(one, 5, 0, &early));
    OK(ringbus_loan_open(one, 4, 0, &late));
    CHECK(ringbus_loan_open(one, 4, 0, &none) == RINGBUS_LOAN_LIMIT);
    CHECK(ringbus_loan_commit(two, &early, 0, NULL) == RINGBUS_NO_LOAN);
    CHECK(ringbus_run_open(one, 1, 4, &run) == RINGBUS_NO_RUNS);
    memcpy(early.payload, "early", 5);
    memcpy(late.payload, "late", 4);
    OK(ringbus_loan_commit(one, &late, 0, &sequence));
    CHECK(sequence == 0);
    /* A refused loan stays, and goes when the subscriber that stalls is evicted. */
    CHECK(ringbus_loan_commit(one, &early, 0, NULL) == RINGBUS_FULL);
    CHECK(early.payload != NULL);
    OK(ringbus_loan_commit(one, &early, RINGBUS_FOREVER, &sequence));
    CHECK(sequence == 1);
    CHECK(ringbus_subscriber_poll(subscriber, &message) == RINGBUS_EVICTED);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.code == RINGBUS_EVICTED && failure.missed == 1);
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.payload_len_bytes == 5 && memcmp(message.payload, "early", 5) == 0);
    CHECK(message.publisher != RINGBUS_NO_PUBLISHER);
    OK(ringbus_publisher_close(one));
    OK(ringbus_publisher_close(two));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

static void check_times(ringbus_bus *bus, uint32_t source) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_observer *observer = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    const uint64_t error = source == RINGBUS_TIME_TSC ? TICKS_ERROR : 0;
    uint64_t before = 0, first = 0, second = 0, after = 0, n;
    ringbus_code code;

    options.time = source;
    options.capacity_slots = 8;
    code = ringbus_topic_create(bus, source == RINGBUS_TIME_TSC ? "ticks" : "clock", &options, &topic);
    if (code == RINGBUS_NO_TSC) {
        return;
    }
    CHECK(code == RINGBUS_OK);
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_observer_open(topic, ringbus_start_at(RINGBUS_START_LATEST, 0), &observer));
    CHECK(ringbus_observer_poll(observer, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_observer_latest(observer, &message) == RINGBUS_EMPTY);
    CHECK(ringbus_observer_wait(observer, MILLISECOND) == RINGBUS_TIMEOUT);
    OK(ringbus_now(&before));
    OK(ringbus_publish(publisher, "one", 3, 0, NULL));
    pass(error);
    OK(ringbus_publish(publisher, "two", 3, 0, NULL));
    OK(ringbus_now(&after));
    OK(ringbus_observer_wait(observer, PATIENCE));
    OK(ringbus_observer_lag(observer, &n));
    CHECK(n == 2);
    OK(ringbus_observer_poll(observer, &message));
    CHECK(message.sequence == 0 && memcmp(message.payload, "one", 3) == 0);
    OK(ringbus_observer_time(observer, 0, &first));
    CHECK(ringbus_observer_time(observer, 1, &second) == RINGBUS_NO_MESSAGE);
    CHECK(first + error >= before && message.time_ns == (source == RINGBUS_TIME_TSC ? 0 : first));
    OK(ringbus_observer_latest(observer, &message));
    OK(ringbus_observer_time(observer, 1, &second));
    CHECK(second >= first && second <= after + error);
    OK(ringbus_observer_cursor(observer, &n));
    CHECK(n == 2);

    {
        ringbus_subscriber_options since = ringbus_subscriber_options_init();
        since.start = ringbus_start_at(RINGBUS_START_TIME, first > error ? first - error : 0);
        OK(ringbus_subscriber_open(topic, &since, &subscriber));
        OK(ringbus_subscriber_poll(subscriber, &message));
        CHECK(message.sequence == 0);
        OK(ringbus_subscriber_time(subscriber, 0, &n));
        CHECK(n + error >= first && n <= first + error);
        OK(ringbus_subscriber_close(subscriber));
    }
    for (n = 0; n < 20; n++) {
        OK(ringbus_publish(publisher, &n, sizeof n, 0, NULL));
    }
    CHECK(ringbus_observer_poll(observer, &message) == RINGBUS_LAGGED);
    OK(ringbus_observer_lagged(observer, &n));
    CHECK(n >= 12);
    OK(ringbus_observer_close(observer));
    CHECK(ringbus_observer_open(topic, ringbus_start_at(RINGBUS_START_SEQUENCE, 99), &observer) ==
          RINGBUS_NOT_YET);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_topic_close(topic));
}

static void check_filter(ringbus_bus *bus) {
    static const uint64_t tags[] = {3, 5, 7, 11};
    ringbus_subscriber_options options = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_topic *topic = open_topic(bus, "filter");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    uint64_t n, skipped = 0;

    filter.flags = RINGBUS_FILTER_PUBLISHER;
    filter.tags = tags;
    filter.tag_count = 4;
    filter.tag_mask = 4;
    filter.tag_value = 4;
    filter.flags_mask = 1;
    filter.flags_value = 1;
    options.filter = &filter;
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, &options, &subscriber));
    for (n = 0; n < 16; n++) {
        OK(ringbus_publish_with(publisher, &n, sizeof n, n, (uint16_t)n, 0, NULL));
    }
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.tag == 5);
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(message.tag == 7);
    CHECK(ringbus_subscriber_poll(subscriber, &message) == RINGBUS_EMPTY);
    OK(ringbus_subscriber_skipped(subscriber, &skipped));
    CHECK(skipped == 14);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

/* An array of payloads is so many messages, in their order, around the ring and while there is room. */
static void check_arrays(ringbus_bus *bus) {
    enum { ROOM = 16, LEN = 12, MORE = 5 };
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options reliably = ringbus_subscriber_options_init();
    ringbus_topic *topic;
    ringbus_publisher *publisher;
    ringbus_subscriber *subscriber;
    ringbus_message messages[ROOM];
    unsigned char payloads[ROOM + MORE][LEN];
    uint64_t due = 0, number;
    size_t count, n, round;
    options.capacity_slots = ROOM;
    options.payload_max_bytes = LEN;
    OK(ringbus_topic_open_or_create(bus, "arrays", &options, &topic));
    OK(ringbus_publisher_open(topic, &publisher));
    reliably.delivery = RINGBUS_RELIABLE;
    OK(ringbus_subscriber_open(topic, &reliably, &subscriber));
    for (round = 0; round < 40; round++) {
        const size_t wanted = round % (ROOM + MORE);
        const size_t expected = wanted < ROOM ? wanted : (size_t)ROOM;
        for (n = 0; n < wanted; n++) {
            memset(payloads[n], (int)(due + n), LEN);
        }
        count = 99;
        CHECK(ringbus_publish_array(publisher, payloads, LEN, wanted, 0, &count) ==
              (wanted > ROOM ? RINGBUS_FULL : RINGBUS_OK));
        CHECK(count == expected);
        for (n = 0; n < expected; due += count, n += count) {
            size_t i;
            OK(ringbus_subscriber_poll_batch(subscriber, messages, ROOM, &count));
            for (i = 0; i < count; i++) {
                const unsigned char *bytes = (const unsigned char *)messages[i].payload;
                CHECK(messages[i].sequence == due + i && messages[i].payload_len_bytes == LEN);
                CHECK(bytes[0] == (unsigned char)(due + i) && bytes[LEN - 1] == bytes[0]);
            }
        }
        OK(ringbus_subscriber_release(subscriber));
    }
    OK(ringbus_publish_array(publisher, NULL, 0, 3, 0, &count));
    CHECK(count == 3);
    OK(ringbus_publish_array(publisher, NULL, LEN, 0, 0, &count));
    CHECK(count == 0);
    OK(ringbus_subscriber_poll_batch(subscriber, messages, ROOM, &count));
    CHECK(count == 3 && messages[2].payload_len_bytes == 0);
    CHECK(ringbus_publish_array(publisher, payloads, LEN + 1, 2, 0, &count) == RINGBUS_TOO_LONG);
    CHECK(count == 0);
    OK(ringbus_publisher_published(publisher, &number));
    CHECK(number == due + 3);
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_topic_close(topic));
}

/* A topic as a blackboard: its value is there at any time, for those who come late as well. */
static void check_blackboard(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_observer *early = NULL, *late = NULL;
    ringbus_message message;
    ringbus_attribute lot = ringbus_attribute_int("lot", 7), found;
    ringbus_outgoing outgoing;
    ringbus_start latest = ringbus_start_at(RINGBUS_START_LATEST, 0);
    uint64_t n, sequence = 99;

    options.capacity_slots = 4;
    options.attributes_max_bytes = 64;
    OK(ringbus_topic_create(bus, "blackboard", &options, &topic));
    OK(ringbus_observer_open(topic, latest, &early));
    CHECK(ringbus_observer_current(early, &message) == RINGBUS_EMPTY);
    OK(ringbus_publisher_open(topic, &publisher));
    for (n = 0; n < 10; n++) {
        memset(&outgoing, 0, sizeof outgoing);
        outgoing.payload = &n;
        outgoing.payload_len_bytes = sizeof n;
        outgoing.tag = n;
        outgoing.attributes = &lot;
        outgoing.attribute_count = n % 2;
        OK(ringbus_publish_message(publisher, &outgoing, 0, &sequence));
    }
    OK(ringbus_observer_open(topic, latest, &late));
    for (n = 0; n < 2; n++) {
        OK(ringbus_observer_current(late, &message));
        CHECK(message.sequence == 9 && message.tag == 9 && *(const uint64_t *)message.payload == 9);
        OK(ringbus_observer_attribute(late, 9, "lot", &found));
        CHECK(found.integer == 7);
        OK(ringbus_observer_changed_since(late, 8, &message));
        CHECK(message.sequence == 9);
        CHECK(ringbus_observer_changed_since(late, 9, &message) == RINGBUS_EMPTY);
        CHECK(ringbus_observer_attribute(late, 9, "lot", &found) == RINGBUS_NO_MESSAGE);
    }
    /* What is polled next has not changed. */
    OK(ringbus_observer_current(early, &message));
    CHECK(ringbus_observer_poll(early, &message) == RINGBUS_LAGGED);
    OK(ringbus_observer_poll(early, &message));
    CHECK(message.sequence < 9);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_observer_close(early));
    OK(ringbus_observer_close(late));
    OK(ringbus_topic_close(topic));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, NULL);
    ringbus_bus *bus = open_bus(directory);

    check_exclusive(bus);
    check_loans(bus);
    check_shared(bus);
    check_times(bus, RINGBUS_TIME_CLOCK);
    check_times(bus, RINGBUS_TIME_TSC);
    check_filter(bus);
    check_blackboard(bus);
    check_arrays(bus);
    close_bus(bus);
    return 0;
}

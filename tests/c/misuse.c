/*
 * Does what a program must not do, and expects a code for each: nothing may crash, leak or be undefined.
 *
 *   misuse DIRECTORY [REPEATS]
 *
 * Run plainly, under the address and undefined-behaviour sanitizers and under valgrind.
 */
#include <errno.h>

#include "answers.h"

/* Every function that takes a handle, with one that must be refused for the same reason. */
static void refuse_everywhere(void *handle, ringbus_code expected, ringbus_code on_close) {
    ringbus_bus *bus = (ringbus_bus *)handle;
    ringbus_topic *topic = (ringbus_topic *)handle, *new_topic = NULL;
    ringbus_publisher *publisher = (ringbus_publisher *)handle, *new_publisher = NULL;
    ringbus_subscriber *subscriber = (ringbus_subscriber *)handle, *new_subscriber = NULL;
    ringbus_observer *observer = (ringbus_observer *)handle, *new_observer = NULL;
    ringbus_watch *watch = (ringbus_watch *)handle, *new_watch = NULL;
    ringbus_wait_set *set = (ringbus_wait_set *)handle, *new_set = NULL;
    ringbus_start latest = ringbus_start_at(RINGBUS_START_LATEST, 0);
    const ringbus_topic_info *info;
    const ringbus_topic_info *const *infos;
    const ringbus_participant_info *const *participants;
    ringbus_message message;
    ringbus_topic_event event;
    ringbus_outgoing outgoing;
    ringbus_attribute attribute;
    ringbus_loan loan;
    ringbus_run run;
    const char *text;
    void *payload;
    uint64_t number;
    uint32_t bits;
    uint16_t id;
    int32_t truth;
    int fd;
    size_t count;

    memset(&loan, 0, sizeof loan);
    memset(&run, 0, sizeof run);
    memset(&outgoing, 0, sizeof outgoing);

    ANSWERS(ringbus_bus_name(bus, &text), expected);
    ANSWERS(ringbus_bus_path(bus, &text), expected);
    ANSWERS(ringbus_bus_id(bus, &number), expected);
    ANSWERS(ringbus_bus_access(bus, &bits, &bits), expected);
    ANSWERS(ringbus_bus_topics(bus, &infos, &count), expected);
    ANSWERS(ringbus_bus_participants(bus, &participants, &count), expected);
    ANSWERS(ringbus_bus_remove(bus, "t", 0), expected);
    ANSWERS(ringbus_bus_gc(bus, NULL), expected);
    ANSWERS(ringbus_topic_open(bus, "t", NULL, &new_topic), expected);
    ANSWERS(ringbus_topic_create(bus, "t", NULL, &new_topic), expected);
    ANSWERS(ringbus_topic_open_or_create(bus, "t", NULL, &new_topic), expected);
    ANSWERS(ringbus_watch_open(bus, &new_watch), expected);
    ANSWERS(ringbus_topic_describe(topic, &info), expected);
    ANSWERS(ringbus_topic_is_removed(topic, &truth), expected);
    ANSWERS(ringbus_publisher_open(topic, &new_publisher), expected);
    ANSWERS(ringbus_subscriber_open(topic, NULL, &new_subscriber), expected);
    ANSWERS(ringbus_observer_open(topic, latest, &new_observer), expected);
    ANSWERS(ringbus_publish(publisher, "x", 1, 0, NULL), expected);
    ANSWERS(ringbus_publish_with(publisher, "x", 1, 1, 1, 0, NULL), expected);
    ANSWERS(ringbus_publish_message(publisher, &outgoing, 0, NULL), expected);
    ANSWERS(ringbus_publish_batch(publisher, &outgoing, 1, 0, NULL), expected);
    ANSWERS(ringbus_publish_array(publisher, "x", 1, 1, 0, NULL), expected);
    ANSWERS(ringbus_publisher_wait_subscribers(publisher, 0, 0), expected);
    ANSWERS(ringbus_publisher_id(publisher, &id), expected);
    ANSWERS(ringbus_publisher_published(publisher, &number), expected);
    ANSWERS(ringbus_loan_open(publisher, 1, 0, &loan), expected);
    ANSWERS(ringbus_loan_commit(publisher, &loan, 0, NULL), expected);
    ANSWERS(ringbus_loan_set_attributes(publisher, &loan, NULL, 0), expected);
    ANSWERS(ringbus_loan_abort(publisher, &loan), expected);
    ANSWERS(ringbus_run_open(publisher, 1, 1, &run), expected);
    ANSWERS(ringbus_run_payload(publisher, &run, 0, &payload), expected);
    ANSWERS(ringbus_run_commit(publisher, &run, NULL), expected);
    ANSWERS(ringbus_run_abort(publisher, &run), expected);
    ANSWERS(ringbus_subscriber_poll(subscriber, &message), expected);
    ANSWERS(ringbus_subscriber_poll_batch(subscriber, &message, 1, &count), expected);
    ANSWERS(ringbus_subscriber_latest(subscriber, &message), expected);
    ANSWERS(ringbus_subscriber_time(subscriber, 0, &number), expected);
    ANSWERS(ringbus_subscriber_attributes(subscriber, 0, NULL, 0, &count), expected);
    ANSWERS(ringbus_subscriber_attribute(subscriber, 0, "k", &attribute), expected);
    ANSWERS(ringbus_subscriber_wait(subscriber, 0), expected);
    ANSWERS(ringbus_subscriber_release(subscriber), expected);
    ANSWERS(ringbus_subscriber_seek(subscriber, latest), expected);
    ANSWERS(ringbus_subscriber_cursor(subscriber, &number), expected);
    ANSWERS(ringbus_subscriber_lag(subscriber, &number), expected);
    ANSWERS(ringbus_subscriber_lagged(subscriber, &number), expected);
    ANSWERS(ringbus_subscriber_skipped(subscriber, &number), expected);
    ANSWERS(ringbus_subscriber_held(subscriber, &number), expected);
    ANSWERS(ringbus_observer_poll(observer, &message), expected);
    ANSWERS(ringbus_observer_latest(observer, &message), expected);
    ANSWERS(ringbus_observer_current(observer, &message), expected);
    ANSWERS(ringbus_observer_changed_since(observer, 0, &message), expected);
    ANSWERS(ringbus_observer_time(observer, 0, &number), expected);
    ANSWERS(ringbus_observer_attributes(observer, 0, NULL, 0, &count), expected);
    ANSWERS(ringbus_observer_attribute(observer, 0, "k", &attribute), expected);
    ANSWERS(ringbus_observer_wait(observer, 0), expected);
    ANSWERS(ringbus_observer_cursor(observer, &number), expected);
    ANSWERS(ringbus_observer_lag(observer, &number), expected);
    ANSWERS(ringbus_observer_lagged(observer, &number), expected);
    ANSWERS(ringbus_watch_next(watch, 0, &event), expected);
    ANSWERS(ringbus_wait_set_open(bus, &new_set), expected);
    ANSWERS(ringbus_wait_set_add(set, subscriber, 0), expected);
    ANSWERS(ringbus_wait_set_add_fd(set, 0, 0), expected);
    ANSWERS(ringbus_wait_set_remove(set, 0), expected);
    ANSWERS(ringbus_wait_set_wait(set, 0, 1, &number, &count), expected);
    ANSWERS(ringbus_wait_set_interrupt(set), expected);
    ANSWERS(ringbus_wait_set_fd(set, &fd), expected);

    ANSWERS(ringbus_bus_close(bus), on_close);
    ANSWERS(ringbus_topic_close(topic), on_close);
    ANSWERS(ringbus_publisher_close(publisher), on_close);
    ANSWERS(ringbus_subscriber_close(subscriber), on_close);
    ANSWERS(ringbus_observer_close(observer), on_close);
    ANSWERS(ringbus_watch_close(watch), on_close);
    ANSWERS(ringbus_wait_set_close(set), on_close);
    CHECK(!new_topic && !new_publisher && !new_subscriber && !new_observer && !new_watch);
    CHECK(!new_set);
}

static void check_null(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "null");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    const char *const *names;
    size_t count;

    ANSWERS(ringbus_bus_open("x", NULL, NULL), RINGBUS_NULL_ARGUMENT);
    CHECK(strcmp(ringbus_last_error(), "`bus` is NULL") == 0);
    refuse_everywhere(NULL, RINGBUS_NULL_ARGUMENT, RINGBUS_OK);
    ANSWERS(ringbus_last_failure(NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_bus_names(NULL, NULL, &count), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_bus_names(NULL, &names, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_bus_name(bus, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_bus_remove(bus, NULL, 0), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_topic_open(bus, NULL, NULL, &topic), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_topic_open(bus, "null", NULL, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_topic_describe(topic, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_publisher_open(topic, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_subscriber_open(topic, NULL, NULL), RINGBUS_NULL_ARGUMENT);
    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    ANSWERS(ringbus_publish(publisher, NULL, 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_publish_batch(publisher, NULL, 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_publish_array(publisher, NULL, 1, 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_publish_array(publisher, "x", 2, SIZE_MAX / 2 + 1, 0, NULL),
            RINGBUS_INVALID_ARGUMENT);
    ANSWERS(ringbus_publish_array(publisher, "x", 1, SIZE_MAX / 2 + 1, 0, NULL),
            RINGBUS_INVALID_ARGUMENT);
    ANSWERS(ringbus_loan_open(publisher, 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_loan_commit(publisher, NULL, 0, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_subscriber_poll(subscriber, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_subscriber_poll_batch(subscriber, NULL, 1, &count), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_subscriber_poll_batch(subscriber, &message, 1, NULL), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_subscriber_poll_batch(subscriber, &message, 0, &count),
            RINGBUS_INVALID_ARGUMENT);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

/* Handles of other kinds, closed ones, and addresses that were never handles. */
static void check_handles(const char *directory, ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "handles");
    ringbus_publisher *publisher = NULL, *other = NULL;
    ringbus_message message;
    int anything = 0;
    char *heap = (char *)malloc(64);
    unsigned i;

    OK(ringbus_publisher_open(topic, &publisher));
    ANSWERS(ringbus_subscriber_poll((ringbus_subscriber *)(void *)publisher, &message),
            RINGBUS_WRONG_HANDLE);
    CHECK(strcmp(ringbus_last_error(), "`subscriber` is a publisher, not a subscriber") == 0);
    ANSWERS(ringbus_publish((ringbus_publisher *)(void *)topic, "x", 1, 0, NULL),
            RINGBUS_WRONG_HANDLE);
    ANSWERS(ringbus_topic_close((ringbus_topic *)(void *)bus), RINGBUS_WRONG_HANDLE);
    ANSWERS(ringbus_bus_close((ringbus_bus *)(void *)publisher), RINGBUS_WRONG_HANDLE);
    OK(ringbus_publish(publisher, "x", 1, 0, NULL));

    refuse_everywhere(&anything, RINGBUS_NOT_A_HANDLE, RINGBUS_NOT_A_HANDLE);
    refuse_everywhere(heap, RINGBUS_NOT_A_HANDLE, RINGBUS_NOT_A_HANDLE);
    refuse_everywhere((void *)(uintptr_t)-1, RINGBUS_NOT_A_HANDLE, RINGBUS_NOT_A_HANDLE);
    free(heap);
    for (i = 1; i < 256; i++) {
        /* What is close to a handle is none either. */
        void *near = (void *)((uintptr_t)publisher ^ ((uintptr_t)i << 27));
        ANSWERS(ringbus_publish((ringbus_publisher *)near, "x", 1, 0, NULL), RINGBUS_NOT_A_HANDLE);
    }

    OK(ringbus_publisher_close(publisher));
    ANSWERS(ringbus_publisher_close(publisher), RINGBUS_CLOSED);
    ANSWERS(ringbus_publish(publisher, "x", 1, 0, NULL), RINGBUS_CLOSED);
    /* Nor does a closed handle come back to life when its place is used again. */
    for (i = 0; i < repeats / 16; i++) {
        OK(ringbus_publisher_open(topic, &other));
        CHECK(other != publisher);
        ANSWERS(ringbus_publish(publisher, "x", 1, 0, NULL), RINGBUS_CLOSED);
        OK(ringbus_publisher_close(other));
    }
    OK(ringbus_topic_close(topic));
    ANSWERS(ringbus_topic_close(topic), RINGBUS_CLOSED);
    ANSWERS(ringbus_publisher_open(topic, &other), RINGBUS_CLOSED);
    {
        ringbus_bus *closed = open_bus(directory);
        OK(ringbus_bus_close(closed));
        ANSWERS(ringbus_bus_close(closed), RINGBUS_CLOSED);
        ANSWERS(ringbus_topic_open(closed, "t", NULL, &topic), RINGBUS_CLOSED);
    }
}

static void check_arguments(const char *directory, ringbus_bus *bus) {
    ringbus_bus_options where = ringbus_bus_options_init();
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_bus *none = NULL;
    ringbus_topic *topic = NULL;
    ringbus_subscriber *subscriber = NULL;
    struct {
        ringbus_topic_options options;
        uint64_t later;
    } newer;

    where.directory = directory;
    ANSWERS(ringbus_bus_open("\xff", &where, &none), RINGBUS_INVALID_ARGUMENT);
    ANSWERS(ringbus_bus_open("../c", &where, &none), RINGBUS_INVALID_ARGUMENT);
    where.flags = 1u << 31;
    ANSWERS(ringbus_bus_open("c", &where, &none), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->flags");
    where.flags = 0;
    where.reserved = 1;
    ANSWERS(ringbus_bus_open("c", &where, &none), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->reserved` is 1");
    where.size_bytes = 0;
    ANSWERS(ringbus_bus_open("c", &where, &none), RINGBUS_INVALID_ARGUMENT);
    where = ringbus_bus_options_init();
    where.directory = "/dev/null/nowhere";
    ANSWERS(ringbus_bus_open("c", &where, &none), RINGBUS_SYSTEM);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.system_errno == ENOTDIR);
    where.directory = "/nowhere/for/buses";
    ANSWERS(ringbus_bus_open("c", &where, &none), RINGBUS_SYSTEM);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.system_errno == ENOENT);

    ANSWERS(ringbus_topic_open(bus, "", NULL, &topic), RINGBUS_INVALID_ARGUMENT);
    ANSWERS(ringbus_topic_open(bus, "a//b", NULL, &topic), RINGBUS_INVALID_ARGUMENT);
    options.flags = 1u << 31;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->flags");
    options = ringbus_topic_options_init();
    options.reserved = 1;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->reserved` is 1");
    options = ringbus_topic_options_init();
    options.reserved_too = 1;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->reserved_too` is 1");
    options = ringbus_topic_options_init();
    options.capacity_slots = 3;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_topic_options_init();
    options.publishers = 9;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_topic_options_init();
    options.time = 9;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_topic_options_init();
    options.tags = 9;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_topic_options_init();
    options.type_name = "T";
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_topic_options_init();
    options.size_bytes = 1;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);
    options.size_bytes = (size_t)-1;
    ANSWERS(ringbus_topic_create(bus, "t", &options, &topic), RINGBUS_INVALID_ARGUMENT);

    /* A program made with a later header works until it asks for what this library does not know. */
    memset(&newer, 0, sizeof newer);
    newer.options.size_bytes = sizeof newer;
    newer.later = 1;
    ANSWERS(ringbus_topic_create(bus, "newer", &newer.options, &topic), RINGBUS_INVALID_ARGUMENT);
    newer.later = 0;
    OK(ringbus_topic_create(bus, "newer", &newer.options, &topic));

    how.delivery = 9;
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_INVALID_ARGUMENT);
    how = ringbus_subscriber_options_init();
    how.start.kind = 9;
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_INVALID_ARGUMENT);
    how = ringbus_subscriber_options_init();
    how.filter = &filter;
    filter.policy = "{";
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_INVALID_ARGUMENT);
    filter = ringbus_filter_init();
    filter.reserved = 1;
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_INVALID_ARGUMENT);
    NAMES("options->filter->reserved` is 1");
    filter = ringbus_filter_init();
    filter.size_bytes = 8;
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_INVALID_ARGUMENT);
    filter = ringbus_filter_init();
    filter.policy = "{\"a\":[1]}";
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_NOT_KEPT);
    how = ringbus_subscriber_options_init();
    how.start = ringbus_start_at(RINGBUS_START_SEQUENCE, 1);
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_NOT_YET);
    how.start = ringbus_start_at(RINGBUS_START_TIME, 1);
    ANSWERS(ringbus_subscriber_open(topic, &how, &subscriber), RINGBUS_NO_TIME);
    OK(ringbus_topic_close(topic));
    CHECK(!none && !subscriber);
}

/* A program made with an earlier header has shorter structs, and nothing is read or written past them. */
static void check_earlier(ringbus_bus *bus) {
    ringbus_topic_options options = ringbus_topic_options_init();
    ringbus_subscriber_options how = ringbus_subscriber_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_failure failure = ringbus_failure_init();
    ringbus_topic *topic = NULL;
    ringbus_subscriber *subscriber = NULL;

    options.size_bytes = 160;
    options.attributes_max_bytes = UINT64_MAX / 2;
    OK(ringbus_topic_create(bus, "earlier", &options, &topic));
    filter.size_bytes = 80;
    memset(&filter.payload_test, 1, sizeof filter.payload_test);
    how.filter = &filter;
    OK(ringbus_subscriber_open(topic, &how, &subscriber));
    filter.size_bytes = sizeof filter;
    memset(&filter.payload_test, 0, sizeof filter.payload_test);
    filter.policy = "{";
    {
        ringbus_subscriber *none = NULL;
        ANSWERS(ringbus_subscriber_open(topic, &how, &none), RINGBUS_INVALID_ARGUMENT);
    }
    failure.size_bytes = 48;
    failure.line = failure.column = 77;
    OK(ringbus_last_failure(&failure));
    CHECK(failure.code == RINGBUS_INVALID_ARGUMENT && failure.line == 77 && failure.column == 77);
    CHECK(failure.size_bytes == 48);
    failure.size_bytes = 47;
    ANSWERS(ringbus_last_failure(&failure), RINGBUS_INVALID_ARGUMENT);
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, &repeats);
    ringbus_bus *bus = open_bus(directory);

    check_null(bus);
    check_handles(directory, bus);
    check_arguments(directory, bus);
    check_earlier(bus);
    close_bus(bus);
    return failures == 0 ? 0 : 1;
}

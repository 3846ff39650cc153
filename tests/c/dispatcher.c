/*
 * Handlers that are called with messages: what dispatchers do, and what they refuse. Compiled as C and as
 * C++.
 *
 *   dispatcher DIRECTORY [REPEATS]
 *
 * Exits 0 only if everything held; says on stderr what did not.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* How often what goes wrong only at times is tried. */
static unsigned repeats = 20000;

/* What a handler of the tests does: counts, and as the payload says. */
typedef struct {
    ringbus_dispatcher *dispatcher;
    uint64_t called, attributes, last_sequence;
    unsigned refused;
} seen;

static int32_t handle(void *context, const ringbus_multi_message *message, const char **words) {
    seen *s = (seen *)context;
    const char *text = (const char *)message->message.payload;
    ringbus_attribute attributes[4], lot;
    size_t count = 9;
    s->called++;
    s->last_sequence = message->message.sequence;
    OK(ringbus_handler_attributes(attributes, 4, &count));
    s->attributes += count;
    if (ringbus_handler_attribute("lot", &lot) == RINGBUS_OK) {
        CHECK(lot.integer == 7 && count == 1);
    }
    if (message->message.payload_len_bytes == 0) {
        return RINGBUS_HANDLED;
    }
    switch (text[0]) {
    case 'f':
        *words = "it failed";
        return RINGBUS_HANDLER_FAILED;
    case 't':
        *words = "it threw";
        return RINGBUS_HANDLER_THREW;
    case 'n':
        return 77;
    case 's':
        /* Its own dispatcher cannot be ended in here, nor run once more. */
        s->refused += ringbus_dispatcher_stop(s->dispatcher, NULL) == RINGBUS_BUSY;
        s->refused += ringbus_dispatcher_close(s->dispatcher) == RINGBUS_BUSY;
        s->refused += ringbus_dispatcher_drain(s->dispatcher, NULL) != RINGBUS_OK;
        return RINGBUS_HANDLED;
    default:
        return RINGBUS_HANDLED;
    }
}

typedef struct {
    unsigned failed, threw, topics, others;
    uint64_t missed;
    int32_t result;
} troubles;

static int32_t tell(void *context, const ringbus_trouble *trouble) {
    troubles *t = (troubles *)context;
    CHECK(trouble->size_bytes == sizeof *trouble && strlen(trouble->words) > 0);
    switch (trouble->kind) {
    case RINGBUS_TROUBLE_FAILED:
        CHECK(strcmp(trouble->pattern, "d/*") == 0 && strcmp(trouble->topic, "d/a") == 0);
        CHECK(trouble->sequence == 1 || trouble->sequence == 3);
        CHECK(strcmp(trouble->words, trouble->sequence == 1 ? "it failed" : "it returned 77") == 0);
        CHECK(trouble->code == RINGBUS_OK);
        t->failed++;
        break;
    case RINGBUS_TROUBLE_THREW:
        CHECK(trouble->sequence == 2 && strcmp(trouble->words, "it threw") == 0);
        t->threw++;
        break;
    case RINGBUS_TROUBLE_TOPIC:
        CHECK(trouble->code == RINGBUS_LAGGED && trouble->missed > 0 && trouble->pattern == NULL);
        CHECK(strcmp(trouble->topic, "d/a") == 0);
        t->missed += trouble->missed;
        t->topics++;
        break;
    default:
        t->others++;
    }
    return t->result;
}

/* On this thread: what is handed to whom, what fails and how, what is counted and told. */
static void check_here(ringbus_bus *bus) {
    ringbus_publisher *publisher = publisher_of(bus, "d/a", 8, RINGBUS_TIME_NONE);
    ringbus_dispatcher_options options = ringbus_dispatcher_options_init();
    ringbus_dispatcher *dispatcher = NULL;
    ringbus_dispatched done;
    ringbus_attribute lot = ringbus_attribute_int("lot", 7);
    ringbus_outgoing outgoing;
    ringbus_handler handlers[2];
    troubles t;
    seen all, some;
    uint64_t messages = 9;
    size_t count;
    unsigned n;

    memset(&t, 0, sizeof t);
    memset(&all, 0, sizeof all);
    memset(&some, 0, sizeof some);
    handlers[0].pattern = "d/*";
    handlers[0].handle = handle;
    handlers[0].context = &all;
    handlers[1] = handlers[0];
    handlers[1].pattern = "d/b";
    handlers[1].context = &some;
    options.on_trouble = tell;
    options.on_trouble_context = &t;
    OK(ringbus_dispatcher_open(bus, handlers, 2, &options, &dispatcher));
    all.dispatcher = dispatcher;
    publish_text(publisher, "");
    publish_text(publisher, "fail");
    publish_text(publisher, "throw");
    publish_text(publisher, "number");
    publish_text(publisher, "stop");
    memset(&outgoing, 0, sizeof outgoing);
    outgoing.attributes = &lot;
    outgoing.attribute_count = 1;
    OK(ringbus_publish_message(publisher, &outgoing, 0, NULL));
    OK(ringbus_dispatcher_drain(dispatcher, &messages));
    CHECK(messages == 6 && all.called == 6 && all.last_sequence == 5 && all.attributes == 1);
    CHECK(all.refused == 3);
    OK(ringbus_dispatcher_dispatched(dispatcher, &done));
    CHECK(done.messages == 6 && done.handled == 3 && done.failed == 2 && done.threw == 1);
    CHECK(t.failed == 2 && t.threw == 1 && done.missed == 0);
    REFUSED(ringbus_handler_attributes(NULL, 0, &count), RINGBUS_NO_MESSAGE);

    for (n = 0; n < 20; n++) {
        publish_text(publisher, "x");
    }
    t.result = 1; /* Trouble in telling of trouble is counted too. */
    OK(ringbus_dispatcher_drain(dispatcher, NULL));
    OK(ringbus_dispatcher_dispatched(dispatcher, &done));
    CHECK(done.missed == t.missed && t.missed >= 12 && done.missed + done.messages == 26);
    CHECK(t.topics >= 1 && t.others == 0 && done.threw == 1 + t.topics);
    OK(ringbus_dispatcher_run(dispatcher, 0));
    {
        ringbus_publisher *other = publisher_of(bus, "d/b", 8, RINGBUS_TIME_NONE);
        publish_text(other, "y");
        OK(ringbus_publisher_close(other));
    }
    while (some.called == 0) {
        OK(ringbus_dispatcher_run(dispatcher, MILLISECOND));
    }
    publish_text(publisher, "last");
    messages = all.called;
    OK(ringbus_dispatcher_stop(dispatcher, &done));
    CHECK(all.called == messages + 1 && done.handled + done.failed + 1 == all.called + some.called);
    CHECK(ringbus_dispatcher_run(dispatcher, 0) == RINGBUS_ENDED);
    CHECK(ringbus_dispatcher_drain(dispatcher, NULL) == RINGBUS_ENDED);
    OK(ringbus_dispatcher_stop(dispatcher, NULL));
    OK(ringbus_dispatcher_close(dispatcher));
    OK(ringbus_publisher_close(publisher));
}

static int32_t count_in_order(void *context, const ringbus_multi_message *message,
                              const char **words) {
    seen *s = (seen *)context;
    (void)words;
    CHECK(message->message.sequence == s->called);
    s->called++;
    if (message->message.payload_len_bytes == 4) {
        s->refused += ringbus_dispatcher_stop(s->dispatcher, NULL) == RINGBUS_BUSY;
    }
    return RINGBUS_HANDLED;
}

/* Threads of its own: an orderly stop handles all that was published before. */
static void check_threads(ringbus_bus *bus) {
    const char *names[] = {"threads/0", "threads/1", "threads/2", "threads/3"};
    ringbus_dispatcher_options options = ringbus_dispatcher_options_init();
    ringbus_handler handlers[4];
    ringbus_publisher *publishers[4];
    ringbus_dispatcher *dispatcher = NULL;
    ringbus_dispatched done;
    ringbus_filter filter = ringbus_filter_init();
    seen each[4];
    unsigned n, count = repeats / 20;

    memset(each, 0, sizeof each);
    for (n = 0; n < 4; n++) {
        handlers[n].pattern = names[n];
        handlers[n].handle = count_in_order;
        handlers[n].context = &each[n];
        publishers[n] = publisher_of(bus, names[n], 64, RINGBUS_TIME_NONE);
    }
    options.threads = 2;
    options.delivery = RINGBUS_RELIABLE;
    options.filter = &filter;
    OK(ringbus_dispatcher_open(bus, handlers, 4, &options, &dispatcher));
    each[0].dispatcher = dispatcher;
    OK(ringbus_publish(publishers[0], "stop", 4, PATIENCE, NULL));
    for (n = 0; n < 4 * count; n++) {
        OK(ringbus_publish(publishers[n % 4], "x", 1, PATIENCE, NULL));
    }
    REFUSED(ringbus_dispatcher_run(dispatcher, 0), RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_dispatcher_drain(dispatcher, NULL), RINGBUS_INVALID_ARGUMENT);
    OK(ringbus_dispatcher_stop(dispatcher, &done));
    CHECK(done.messages == 4 * count + 1 && done.handled == done.messages && done.missed == 0);
    CHECK(each[0].refused == 1 && each[0].called == count + 1 && each[3].called == count);
    OK(ringbus_dispatcher_dispatched(dispatcher, &done));
    CHECK(done.messages == 4 * count + 1);
    OK(ringbus_dispatcher_close(dispatcher));

    /* Closing alone stops as well: nothing is called any more. */
    for (n = 0; n < 4; n++) {
        each[n].called = 0;
        OK(ringbus_publisher_close(publishers[n]));
        OK(ringbus_bus_remove(bus, names[n], 0));
        publishers[n] = publisher_of(bus, names[n], 64, RINGBUS_TIME_NONE);
    }
    OK(ringbus_dispatcher_open(bus, handlers, 4, &options, &dispatcher));
    publish_text(publishers[1], "x");
    OK(ringbus_dispatcher_close(dispatcher));
    CHECK(each[1].called == 1);
    publish_text(publishers[1], "y");
    CHECK(each[1].called == 1);
    for (n = 0; n < 4; n++) {
        OK(ringbus_publisher_close(publishers[n]));
    }
}

/* One that another thread runs is refused meanwhile, and can be stopped. */
static void *run_long(void *argument) {
    ringbus_dispatcher *dispatcher = (ringbus_dispatcher *)argument;
    ringbus_code code;
    do {
        code = ringbus_dispatcher_run(dispatcher, RINGBUS_FOREVER);
    } while (code == RINGBUS_BUSY);
    CHECK(code == RINGBUS_ENDED);
    return NULL;
}

static void *use(void *argument) {
    ringbus_dispatcher *dispatcher = (ringbus_dispatcher *)argument;
    unsigned n;
    for (n = 0; n < repeats / 10; n++) {
        ringbus_dispatched done;
        ringbus_code code = ringbus_dispatcher_run(dispatcher, 0);
        CHECK(code == RINGBUS_OK || code == RINGBUS_BUSY || code == RINGBUS_ENDED ||
              code == RINGBUS_CLOSED);
        code = ringbus_dispatcher_dispatched(dispatcher, &done);
        CHECK(code == RINGBUS_OK || code == RINGBUS_BUSY || code == RINGBUS_CLOSED);
    }
    return NULL;
}

static void check_another_thread(ringbus_bus *bus) {
    ringbus_publisher *publisher = publisher_of(bus, "another/a", 64, RINGBUS_TIME_NONE);
    ringbus_dispatcher *dispatcher = NULL;
    ringbus_dispatched done;
    ringbus_handler handler;
    pthread_t thread, threads[3];
    seen all;
    ringbus_code code;
    unsigned n;

    memset(&all, 0, sizeof all);
    handler.pattern = "another/*";
    handler.handle = count_in_order;
    handler.context = &all;
    OK(ringbus_dispatcher_open(bus, &handler, 1, NULL, &dispatcher));
    CHECK(pthread_create(&thread, NULL, run_long, dispatcher) == 0);
    while ((code = ringbus_dispatcher_dispatched(dispatcher, &done)) == RINGBUS_OK) {
        sched_yield();
    }
    CHECK(code == RINGBUS_BUSY);
    REFUSED(ringbus_dispatcher_drain(dispatcher, NULL), RINGBUS_BUSY);
    publish_text(publisher, "x");
    OK(ringbus_dispatcher_stop(dispatcher, &done));
    CHECK(done.handled == 1 && all.called == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    OK(ringbus_dispatcher_close(dispatcher));

    all.called = 1;
    OK(ringbus_dispatcher_open(bus, &handler, 1, NULL, &dispatcher));
    for (n = 0; n < 3; n++) {
        CHECK(pthread_create(&threads[n], NULL, use, dispatcher) == 0);
    }
    for (n = 0; n < 30; n++) {
        publish_text(publisher, "x");
        sched_yield();
    }
    OK(ringbus_dispatcher_close(dispatcher));
    for (n = 0; n < 3; n++) {
        CHECK(pthread_join(threads[n], NULL) == 0);
    }
    OK(ringbus_publisher_close(publisher));
}

static int32_t never(void *context, const void *payload, size_t len) {
    (void)context;
    (void)payload;
    return len > 99;
}

static void check_refusals(ringbus_bus *bus) {
    ringbus_dispatcher_options options = ringbus_dispatcher_options_init();
    ringbus_filter filter = ringbus_filter_init();
    ringbus_dispatcher *dispatcher = NULL, *closed;
    ringbus_dispatched done;
    ringbus_attribute attribute;
    ringbus_handler handler;
    seen all;
    size_t count;
    unsigned n;

    memset(&all, 0, sizeof all);
    handler.pattern = "a/>/b";
    handler.handle = handle;
    handler.context = &all;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, NULL, &dispatcher), RINGBUS_INVALID_ARGUMENT);
    handler.pattern = NULL;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, NULL, &dispatcher), RINGBUS_NULL_ARGUMENT);
    handler.pattern = "a/*";
    handler.handle = NULL;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, NULL, &dispatcher), RINGBUS_NULL_ARGUMENT);
    handler.handle = handle;
    REFUSED(ringbus_dispatcher_open(bus, NULL, 1, NULL, &dispatcher), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_dispatcher_open(bus, &handler, 0, NULL, &dispatcher), RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_dispatcher_open(NULL, &handler, 1, NULL, &dispatcher), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, NULL, NULL), RINGBUS_NULL_ARGUMENT);
    options.delivery = 9;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_dispatcher_options_init();
    options.order = 9;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_dispatcher_options_init();
    options.threads = 1025;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_dispatcher_options_init();
    options.reserved = 1;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    options = ringbus_dispatcher_options_init();
    options.filter = &filter;
    filter.payload_test = never;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    options.size_bytes = 8;
    REFUSED(ringbus_dispatcher_open(bus, &handler, 1, &options, &dispatcher),
            RINGBUS_INVALID_ARGUMENT);
    CHECK(dispatcher == NULL);
    REFUSED(ringbus_handler_attribute("k", &attribute), RINGBUS_NO_MESSAGE);
    REFUSED(ringbus_handler_attribute(NULL, &attribute), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_handler_attributes(NULL, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_handler_attributes(NULL, 1, &count), RINGBUS_NULL_ARGUMENT);

    OK(ringbus_dispatcher_open(bus, &handler, 1, NULL, &closed));
    REFUSED(ringbus_dispatcher_dispatched(closed, NULL), RINGBUS_NULL_ARGUMENT);
    OK(ringbus_dispatcher_close(closed));
    OK(ringbus_dispatcher_close(NULL));
    for (n = 0; n < WRONG_HANDLES; n++) {
        const wrong_handle one = wrong(n, closed, bus);
        dispatcher = (ringbus_dispatcher *)one.handle;
        REFUSED(ringbus_dispatcher_run(dispatcher, 0), one.expected);
        REFUSED(ringbus_dispatcher_drain(dispatcher, NULL), one.expected);
        REFUSED(ringbus_dispatcher_stop(dispatcher, NULL), one.expected);
        REFUSED(ringbus_dispatcher_dispatched(dispatcher, &done), one.expected);
        if (n > 0) {
            REFUSED(ringbus_dispatcher_close(dispatcher), one.expected);
        }
    }
}

/* A child has neither the threads nor the dispatcher, and may close both. */
static void check_fork(ringbus_bus *bus) {
    ringbus_dispatcher_options options = ringbus_dispatcher_options_init();
    ringbus_publisher *publisher = publisher_of(bus, "fork/a", 64, RINGBUS_TIME_NONE);
    ringbus_dispatcher *with = NULL, *without = NULL;
    ringbus_dispatched done;
    ringbus_handler handler;
    seen all;
    int status = -1;
    pid_t child;

    memset(&all, 0, sizeof all);
    handler.pattern = "fork/*";
    handler.handle = count_in_order;
    handler.context = &all;
    options.threads = 2;
    OK(ringbus_dispatcher_open(bus, &handler, 1, &options, &with));
    OK(ringbus_dispatcher_open(bus, &handler, 1, NULL, &without));
    fflush(NULL);
    child = fork();
    if (child == 0) {
        CHECK(ringbus_dispatcher_stop(with, NULL) == RINGBUS_FORKED);
        CHECK(ringbus_dispatcher_dispatched(with, &done) == RINGBUS_FORKED);
        CHECK(ringbus_dispatcher_run(without, 0) == RINGBUS_FORKED);
        CHECK(ringbus_dispatcher_close(with) == RINGBUS_OK);
        CHECK(ringbus_dispatcher_close(without) == RINGBUS_OK);
        /* What the parent's threads own is lost in a child, which nobody need count at its exit. */
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    publish_text(publisher, "x");
    OK(ringbus_dispatcher_stop(with, &done));
    CHECK(done.handled == 1 && all.called == 1);
    OK(ringbus_dispatcher_close(with));
    OK(ringbus_dispatcher_close(without));
    OK(ringbus_publisher_close(publisher));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, &repeats);
    ringbus_bus *bus = open_bus(directory);

    check_here(bus);
    check_threads(bus);
    check_another_thread(bus);
    check_refusals(bus);
    check_fork(bus);
    close_bus(bus);
    return 0;
}

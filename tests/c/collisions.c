/*
 * Uses handles where they must not be used: by several threads, in signal handlers, in forked children. Each
 * call is done or refused, and nothing may crash, leak or be undefined.
 *
 *   collisions DIRECTORY [REPEATS]
 *
 * Run plainly, under the address and undefined-behaviour sanitizers and under valgrind.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answers.h"

/* One handle, two threads at once: each call is done or refused, and none is done twice. */
typedef struct {
    ringbus_publisher *publisher;
    ringbus_subscriber *subscriber;
    uint64_t done, refused;
} worker;

static void *hammer(void *argument) {
    worker *w = (worker *)argument;
    unsigned i;
    for (i = 0; i < repeats; i++) {
        ringbus_message message;
        ringbus_code code = ringbus_publish(w->publisher, &i, sizeof i, 0, NULL);
        CHECK(code == RINGBUS_OK || code == RINGBUS_BUSY);
        w->done += code == RINGBUS_OK;
        w->refused += code == RINGBUS_BUSY;
        code = ringbus_subscriber_poll(w->subscriber, &message);
        CHECK(code == RINGBUS_OK || code == RINGBUS_EMPTY || code == RINGBUS_BUSY ||
              code == RINGBUS_LAGGED);
    }
    return NULL;
}

static void check_threads(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "threads");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    pthread_t threads[3];
    worker workers[3];
    uint64_t published = 0, done = 0;
    unsigned i;

    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    for (i = 0; i < 3; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].publisher = publisher;
        workers[i].subscriber = subscriber;
        CHECK(pthread_create(&threads[i], NULL, hammer, &workers[i]) == 0);
    }
    for (i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        done += workers[i].done;
    }
    OK(ringbus_publisher_published(publisher, &published));
    CHECK(published == done && done > 0);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

/* A handle that is waited on cannot be used nor closed by another thread. */
static void *wait_long(void *argument) {
    worker *w = (worker *)argument;
    ringbus_code code;
    do {
        code = ringbus_subscriber_wait(w->subscriber, PATIENCE);
    } while (code == RINGBUS_BUSY);
    CHECK(code == RINGBUS_OK);
    return NULL;
}

static void check_busy(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "busy");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    ringbus_code code;
    struct timespec pause = {0, 1000000};
    pthread_t thread;
    worker w;

    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    memset(&w, 0, sizeof w);
    w.subscriber = subscriber;
    CHECK(pthread_create(&thread, NULL, wait_long, &w) == 0);
    while ((code = ringbus_subscriber_poll(subscriber, &message)) == RINGBUS_EMPTY) {
        nanosleep(&pause, NULL);
    }
    CHECK(code == RINGBUS_BUSY);
    ANSWERS(ringbus_subscriber_close(subscriber), RINGBUS_BUSY);
    OK(ringbus_publish(publisher, "wake", 4, 0, NULL));
    CHECK(pthread_join(thread, NULL) == 0);
    OK(ringbus_subscriber_poll(subscriber, &message));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_topic_close(topic));
}

/* A set that is waited on is refused, but for its end: then it says so, and what it has is used on. */
typedef struct {
    ringbus_wait_set *set;
    ringbus_code code;
    size_t count;
} waiter;

static void *wait_in_set(void *argument) {
    waiter *w = (waiter *)argument;
    uint64_t token = 0;
    do {
        w->code = ringbus_wait_set_wait(w->set, PATIENCE, 1, &token, &w->count);
    } while (w->code == RINGBUS_BUSY);
    return NULL;
}

static void check_wait_set(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "set");
    ringbus_subscriber *subscriber = NULL;
    ringbus_wait_set *set = NULL, *other = NULL;
    ringbus_code code;
    uint64_t token = 0;
    size_t count = 0;
    pthread_t thread;
    waiter w;

    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    OK(ringbus_wait_set_open(bus, &set));
    OK(ringbus_wait_set_open(bus, &other));
    ANSWERS(ringbus_wait_set_open(bus, NULL), RINGBUS_NULL_ARGUMENT);
    OK(ringbus_wait_set_add(set, subscriber, 1));
    ANSWERS(ringbus_wait_set_add(set, subscriber, 2), RINGBUS_IN_USE);
    ANSWERS(ringbus_wait_set_add(other, subscriber, 2), RINGBUS_IN_USE);
    ANSWERS(ringbus_wait_set_add(set, NULL, 2), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_wait_set_remove(set, 2), RINGBUS_NOT_FOUND);
    ANSWERS(ringbus_wait_set_wait(set, 0, 0, &token, &count), RINGBUS_INVALID_ARGUMENT);
    ANSWERS(ringbus_wait_set_wait(set, 0, 1, NULL, &count), RINGBUS_NULL_ARGUMENT);
    ANSWERS(ringbus_wait_set_wait(set, 0, 1, &token, NULL), RINGBUS_NULL_ARGUMENT);
    memset(&w, 0, sizeof w);
    w.set = set;
    CHECK(pthread_create(&thread, NULL, wait_in_set, &w) == 0);
    while ((code = ringbus_wait_set_wait(set, 0, 1, &token, &count)) == RINGBUS_TIMEOUT) {
        sched_yield();
    }
    CHECK(code == RINGBUS_BUSY);
    ANSWERS(ringbus_wait_set_remove(set, 1), RINGBUS_BUSY);
    OK(ringbus_wait_set_interrupt(set));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(w.code == RINGBUS_OK && w.count == 0);
    OK(ringbus_subscriber_close(subscriber));
    code = ringbus_wait_set_remove(set, 1);
    CHECK(code == RINGBUS_OK || code == RINGBUS_NOT_FOUND);
    ANSWERS(ringbus_wait_set_remove(set, 1), RINGBUS_NOT_FOUND);
    OK(ringbus_wait_set_close(set));
    ANSWERS(ringbus_wait_set_close(set), RINGBUS_CLOSED);
    ANSWERS(ringbus_wait_set_interrupt(set), RINGBUS_CLOSED);
    OK(ringbus_wait_set_close(other));
    OK(ringbus_topic_close(topic));
}

/* A signal handler may publish on a handle of its own, and on the interrupted one is refused. */
static ringbus_publisher *interrupted;
static volatile sig_atomic_t signals, refused_in_signal, done_in_signal;

static void on_signal(int signal) {
    ringbus_code code = ringbus_publish(interrupted, "signal", 6, 0, NULL);
    (void)signal;
    signals++;
    refused_in_signal += code == RINGBUS_BUSY;
    done_in_signal += code == RINGBUS_OK;
}

static void check_signals(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "signals");
    struct sigaction action;
    struct itimerval once = {{0, 0}, {0, 200}};
    uint64_t n, done = 0, published = 0;
    sig_atomic_t before = -1;

    OK(ringbus_publisher_open(topic, &interrupted));
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    for (n = 0; signals < (int)(repeats / 100); n++) {
        if (signals != before) {
            before = signals;
            CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
        }
        OK(ringbus_publish(interrupted, &n, sizeof n, 0, NULL));
        done++;
    }
    CHECK(refused_in_signal + done_in_signal == signals);
    OK(ringbus_publisher_published(interrupted, &published));
    CHECK(published == done + (uint64_t)done_in_signal);
    OK(ringbus_publisher_close(interrupted));
    OK(ringbus_topic_close(topic));
}

static void check_fork(ringbus_bus *bus) {
    ringbus_topic *topic = open_topic(bus, "fork");
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;
    pid_t child;
    int status = -1;

    OK(ringbus_publisher_open(topic, &publisher));
    OK(ringbus_subscriber_open(topic, NULL, &subscriber));
    OK(ringbus_publish(publisher, "before", 6, 0, NULL));
    OK(ringbus_subscriber_poll(subscriber, &message));
    fflush(NULL);
    child = fork();
    if (child == 0) {
        ANSWERS(ringbus_publish(publisher, "x", 1, 0, NULL), RINGBUS_FORKED);
        ANSWERS(ringbus_subscriber_poll(subscriber, &message), RINGBUS_FORKED);
        ANSWERS(ringbus_publisher_open(topic, &publisher), RINGBUS_FORKED);
        CHECK(ringbus_subscriber_close(subscriber) == RINGBUS_OK);
        CHECK(ringbus_publisher_close(publisher) == RINGBUS_OK);
        _exit(failures == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    OK(ringbus_publish(publisher, "after", 5, 0, NULL));
    OK(ringbus_subscriber_poll(subscriber, &message));
    CHECK(memcmp(message.payload, "after", 5) == 0);
    OK(ringbus_publisher_close(publisher));
    OK(ringbus_subscriber_close(subscriber));
    OK(ringbus_topic_close(topic));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, &repeats);
    ringbus_bus *bus = open_bus(directory);

    check_threads(bus);
    check_busy(bus);
    check_wait_set(bus);
    check_signals(bus);
    check_fork(bus);
    close_bus(bus);
    return failures == 0 ? 0 : 1;
}

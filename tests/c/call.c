/*
 * Requests and replies: what clients and servers do, and what they refuse. Compiled as C and as C++.
 *
 *   call DIRECTORY [REPEATS]
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

static ringbus_server *serve(ringbus_bus *bus, const char *name) {
    ringbus_server *server = NULL;
    OK(ringbus_server_open(bus, name, NULL, &server));
    CHECK(server != NULL);
    return server;
}

static ringbus_client *client_of(ringbus_bus *bus, const char *name) {
    ringbus_client *client = NULL;
    OK(ringbus_client_open(bus, name, NULL, &client));
    CHECK(client != NULL);
    return client;
}

static uint64_t send_text(ringbus_client *client, const char *text) {
    uint64_t call = 0;
    OK(ringbus_client_send(client, text, strlen(text), PATIENCE, &call));
    CHECK(call != 0);
    return call;
}

static ringbus_request next_request(ringbus_server *server) {
    ringbus_request request;
    OK(ringbus_server_wait(server, PATIENCE));
    OK(ringbus_server_poll(server, &request));
    CHECK(request.payload != NULL && request.id != 0);
    return request;
}

static int is(const ringbus_reply *reply, const char *text) {
    return reply->code == RINGBUS_OK && reply->why == NULL &&
           reply->payload_len_bytes == strlen(text) &&
           memcmp(reply->payload, text, strlen(text)) == 0;
}

/* Answers in any order, in parts, with nothing, and with why not. */
static void check_answers(ringbus_bus *bus) {
    ringbus_server *server = serve(bus, "answers");
    ringbus_client *client = client_of(bus, "answers");
    ringbus_failure failure = ringbus_failure_init();
    ringbus_request first, second, third;
    ringbus_reply reply;
    uint64_t calls[3];
    uint16_t id = 9;
    size_t servers = 9;

    OK(ringbus_client_servers(client, &servers));
    CHECK(servers == 1);
    OK(ringbus_server_id(server, &id));
    CHECK(ringbus_server_poll(server, &first) == RINGBUS_EMPTY);
    CHECK(ringbus_server_wait(server, MILLISECOND) == RINGBUS_TIMEOUT);
    calls[0] = send_text(client, "one");
    calls[1] = send_text(client, "two");
    calls[2] = send_text(client, "");
    CHECK(ringbus_client_next(client, calls[0], 0, &reply) == RINGBUS_TIMEOUT);

    /* A request stays open when the next one is taken; what is held may be sent back as it lies. */
    first = next_request(server);
    CHECK(first.payload_len_bytes == 3 && memcmp(first.payload, "one", 3) == 0);
    second = next_request(server);
    CHECK(memcmp(second.payload, "two", 3) == 0);
    OK(ringbus_server_send(server, second.id, second.payload, second.payload_len_bytes));
    CHECK(memcmp(second.payload, "two", 3) == 0);
    OK(ringbus_server_send(server, second.id, NULL, 0));
    OK(ringbus_server_reply(server, second.id, second.payload, second.payload_len_bytes));
    third = next_request(server);
    CHECK(third.payload_len_bytes == 0);
    OK(ringbus_server_send(server, first.id, "early", 5));
    OK(ringbus_server_fail(server, first.id, "no such book"));
    OK(ringbus_server_finish(server, third.id));

    OK(ringbus_client_next(client, calls[1], PATIENCE, &reply));
    CHECK(is(&reply, "two") && reply.server == id);
    OK(ringbus_client_next(client, calls[1], PATIENCE, &reply));
    CHECK(is(&reply, "") && reply.payload != NULL);
    OK(ringbus_client_next(client, calls[1], PATIENCE, &reply));
    CHECK(is(&reply, "two"));
    CHECK(ringbus_client_next(client, calls[1], PATIENCE, &reply) == RINGBUS_ENDED);
    REFUSED(ringbus_client_next(client, calls[1], 0, &reply), RINGBUS_NO_CALL);
    OK(ringbus_client_next(client, calls[0], PATIENCE, &reply));
    CHECK(is(&reply, "early"));
    REFUSED(ringbus_client_next(client, calls[0], PATIENCE, &reply), RINGBUS_SERVER_FAILED);
    CHECK(strstr(ringbus_last_error(), "no such book") != NULL);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.server == id);
    CHECK(ringbus_client_next(client, calls[0], 0, &reply) == RINGBUS_ENDED);
    CHECK(ringbus_client_next(client, calls[2], PATIENCE, &reply) == RINGBUS_ENDED);

    /* One that was answered is over, however it was answered. */
    REFUSED(ringbus_server_reply(server, second.id, "x", 1), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_server_fail(server, first.id, "x"), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_server_finish(server, third.id), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_server_send(server, third.id, "x", 1), RINGBUS_NO_REQUEST);

    /* A call that was cancelled is nobody's; its answer is dropped. */
    calls[0] = send_text(client, "four");
    OK(ringbus_client_cancel(client, calls[0]));
    REFUSED(ringbus_client_cancel(client, calls[0]), RINGBUS_NO_CALL);
    REFUSED(ringbus_client_next(client, calls[0], 0, &reply), RINGBUS_NO_CALL);
    first = next_request(server);
    OK(ringbus_server_reply(server, first.id, "late", 4));
    calls[1] = send_text(client, "five");
    first = next_request(server);
    OK(ringbus_server_reply(server, first.id, "5", 1));
    OK(ringbus_client_next(client, calls[1], PATIENCE, &reply));
    CHECK(is(&reply, "5"));
    OK(ringbus_client_close(client));
    OK(ringbus_server_close(server));
}

/* Who gets no answer is told: at once, in time, or when the server is no more. */
static void check_no_answer(ringbus_bus *bus) {
    ringbus_client *client = NULL;
    ringbus_server *server;
    ringbus_failure failure = ringbus_failure_init();
    ringbus_request request;
    ringbus_reply reply;
    uint64_t call = 0;
    uint16_t id = 0;
    size_t servers = 9;
    char payload[2000];

    REFUSED(ringbus_client_open(bus, "nobody", NULL, &client), RINGBUS_NO_SERVER);
    CHECK(client == NULL);
    server = serve(bus, "nobody");
    client = client_of(bus, "nobody");
    CHECK(ringbus_client_call(client, "x", 1, MILLISECOND, &reply) == RINGBUS_TIMEOUT);
    request = next_request(server);
    OK(ringbus_server_reply(server, request.id, "too late", 8));

    memset(payload, 0, sizeof payload);
    REFUSED(ringbus_client_call(client, payload, sizeof payload, PATIENCE, &reply),
            RINGBUS_TOO_LONG);
    /* A reply that cannot be is told to both; held or not. */
    call = send_text(client, "long");
    request = next_request(server);
    REFUSED(ringbus_server_send(server, request.id, payload, sizeof payload), RINGBUS_TOO_LONG);
    REFUSED(ringbus_server_reply(server, request.id, payload, sizeof payload), RINGBUS_TOO_LONG);
    REFUSED(ringbus_server_reply(server, request.id, "x", 1), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_client_next(client, call, PATIENCE, &reply), RINGBUS_SERVER_FAILED);
    call = send_text(client, "long");
    request = next_request(server);
    CHECK(ringbus_server_wait(server, 0) == RINGBUS_TIMEOUT);
    REFUSED(ringbus_server_send(server, request.id, payload, sizeof payload), RINGBUS_TOO_LONG);
    REFUSED(ringbus_server_reply(server, request.id, payload, sizeof payload), RINGBUS_TOO_LONG);
    REFUSED(ringbus_server_reply(server, request.id, "x", 1), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_client_next(client, call, PATIENCE, &reply), RINGBUS_SERVER_FAILED);
    CHECK(strstr(ringbus_last_error(), "was dropped") != NULL);

    OK(ringbus_server_id(server, &id));
    call = send_text(client, "never");
    request = next_request(server);
    CHECK(ringbus_server_wait(server, 0) == RINGBUS_TIMEOUT);
    OK(ringbus_server_close(server));
    REFUSED(ringbus_client_next(client, call, PATIENCE, &reply), RINGBUS_SERVER_ENDED);
    OK(ringbus_last_failure(&failure));
    CHECK(failure.server == id);
    REFUSED(ringbus_client_call(client, "x", 1, PATIENCE, &reply), RINGBUS_NO_SERVER);
    REFUSED(ringbus_client_send(client, "x", 1, PATIENCE, &call), RINGBUS_NO_SERVER);
    OK(ringbus_client_servers(client, &servers));
    CHECK(servers == 0);
    OK(ringbus_client_close(client));
}

/* The death of a server's process is known as well. */
static void check_death(const char *directory, ringbus_bus *bus) {
    ringbus_server *first = serve(bus, "dying"), *last;
    ringbus_client *client;
    ringbus_reply reply;
    uint64_t call;
    size_t servers = 0;
    int status = 0;
    pid_t child;
    struct timespec pause = {0, 1000000};

    fflush(NULL);
    child = fork();
    if (child == 0) {
        ringbus_bus *own = open_bus(directory);
        ringbus_server *server = serve(own, "dying");
        next_request(server);
        raise(SIGKILL);
    }
    client = client_of(bus, "dying");
    while (servers < 2) {
        OK(ringbus_client_servers(client, &servers));
        nanosleep(&pause, NULL);
    }
    OK(ringbus_server_close(first));
    call = send_text(client, "die");
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    REFUSED(ringbus_client_next(client, call, PATIENCE, &reply), RINGBUS_SERVER_ENDED);
    last = serve(bus, "dying");
    OK(ringbus_client_servers(client, &servers));
    CHECK(servers == 1);
    OK(ringbus_server_close(last));
    OK(ringbus_client_close(client));
}

typedef struct {
    ringbus_server *server;
    const char *text;
} replier;

static void *reply_once(void *argument) {
    replier *r = (replier *)argument;
    ringbus_request request = next_request(r->server);
    if (r->text == NULL) {
        OK(ringbus_server_fail(r->server, request.id, "not today"));
    } else {
        OK(ringbus_server_reply(r->server, request.id, r->text, strlen(r->text)));
    }
    return NULL;
}

/* All servers are asked: replies, failures, and who says nothing. */
static void check_gather(ringbus_bus *bus) {
    ringbus_server *servers[4];
    ringbus_client *client;
    pthread_t threads[3];
    replier repliers[3];
    const ringbus_reply *replies = NULL;
    size_t count = 0, n, good = 0, failed = 0, late = 0;
    uint64_t call = 0;

    for (n = 0; n < 4; n++) {
        servers[n] = serve(bus, "gather");
    }
    client = client_of(bus, "gather");
    for (n = 0; n < 3; n++) {
        repliers[n].server = servers[n];
        repliers[n].text = n == 2 ? NULL : "here";
        CHECK(pthread_create(&threads[n], NULL, reply_once, &repliers[n]) == 0);
    }
    OK(ringbus_client_send_to_all(client, "who", 3, PATIENCE, &call));
    for (n = 0; n < 3; n++) {
        CHECK(pthread_join(threads[n], NULL) == 0);
    }
    for (n = 0; n < 3; n++) {
        ringbus_reply reply;
        ringbus_code code = ringbus_client_next(client, call, PATIENCE, &reply);
        CHECK(code == RINGBUS_OK || code == RINGBUS_SERVER_FAILED);
        good += code == RINGBUS_OK;
    }
    CHECK(good == 2);
    OK(ringbus_client_cancel(client, call));

    for (n = 0, good = 0; n < 3; n++) {
        CHECK(pthread_create(&threads[n], NULL, reply_once, &repliers[n]) == 0);
    }
    OK(ringbus_client_gather(client, "who", 3, SECOND / 2, &replies, &count));
    for (n = 0; n < 3; n++) {
        CHECK(pthread_join(threads[n], NULL) == 0);
    }
    CHECK(count == 4);
    for (n = 0; n < count; n++) {
        if (replies[n].code == RINGBUS_OK) {
            CHECK(is(&replies[n], "here") && replies[n].server < 4);
            good++;
        } else {
            CHECK(replies[n].payload == NULL && strlen(replies[n].why) > 0);
            failed += replies[n].code == RINGBUS_SERVER_FAILED;
            late += replies[n].code == RINGBUS_TIMEOUT;
        }
    }
    /* The machine may be slow, but nobody is forgotten, and one certainly says nothing. */
    CHECK(good + failed + late == 4 && late >= 1 && good <= 2 && failed <= 1);
    OK(ringbus_client_close(client));
    for (n = 0; n < 4; n++) {
        OK(ringbus_server_close(servers[n]));
    }
}

/* A form that was asked for, and types that must agree. */
static void check_forms(ringbus_bus *bus) {
    ringbus_server_options options = ringbus_server_options_init();
    ringbus_client_options how = ringbus_client_options_init();
    ringbus_server *server = NULL, *other = NULL;
    ringbus_client *client = NULL;
    ringbus_topic *topic = NULL;
    const ringbus_topic_info *info = NULL;
    ringbus_request request;
    ringbus_reply reply;
    const double numbers[] = {1.5, 2.5};
    double mean = 2;
    uint64_t call;

    options.capacity_slots = 16;
    options.request_max_bytes = 64;
    options.stall_timeout_ns = 3600 * SECOND;
    options.request_type.name = "[f64]";
    options.request_type.size_bytes = options.request_type.alignment_bytes = 8;
    options.reply_type = options.request_type;
    options.reply_type.name = "f64";
    OK(ringbus_server_open(bus, "mean", &options, &server));
    options.request_max_bytes = 128;
    REFUSED(ringbus_server_open(bus, "mean", &options, &other), RINGBUS_MISMATCH);
    OK(ringbus_topic_open(bus, "mean/requests", NULL, &topic));
    OK(ringbus_topic_describe(topic, &info));
    CHECK(info->capacity_slots == 16 && info->payload_max_bytes == 64);
    CHECK(strcmp(info->type_name, "[f64]") == 0);
    OK(ringbus_topic_close(topic));
    how.delivery = RINGBUS_RELIABLE;
    how.spin_ns = RINGBUS_ZERO;
    how.request_type = options.request_type;
    how.reply_type = options.request_type;
    REFUSED(ringbus_client_open(bus, "mean", &how, &client), RINGBUS_MISMATCH);
    how.reply_type = options.reply_type;
    OK(ringbus_client_open(bus, "mean", &how, &client));
    OK(ringbus_client_send(client, numbers, sizeof numbers, PATIENCE, &call));
    request = next_request(server);
    CHECK(request.payload_len_bytes == sizeof numbers);
    REFUSED(ringbus_server_send(server, request.id, "x", 1), RINGBUS_WRONG_SIZE);
    OK(ringbus_server_reply(server, request.id, &mean, sizeof mean));
    OK(ringbus_client_next(client, call, PATIENCE, &reply));
    CHECK(reply.payload_len_bytes == sizeof mean && *(const double *)reply.payload == 2);
    OK(ringbus_client_close(client));
    OK(ringbus_server_close(server));
    CHECK(other == NULL);
}

static void check_refusals(ringbus_bus *bus) {
    ringbus_server_options options = ringbus_server_options_init();
    ringbus_client_options how = ringbus_client_options_init();
    ringbus_server *server = serve(bus, "refusals"), *no_server = NULL, *old_server;
    ringbus_client *client = client_of(bus, "refusals"), *no_client = NULL, *old_client;
    const ringbus_reply *replies = NULL;
    ringbus_request request;
    ringbus_reply reply;
    uint64_t call = 0;
    uint16_t id;
    size_t count;
    unsigned n;

    REFUSED(ringbus_server_open(bus, NULL, NULL, &no_server), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_open(bus, "s", NULL, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_open(NULL, "s", NULL, &no_server), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_open(bus, "a//b", NULL, &no_server), RINGBUS_INVALID_ARGUMENT);
    options.capacity_slots = 3;
    REFUSED(ringbus_server_open(bus, "s", &options, &no_server), RINGBUS_INVALID_ARGUMENT);
    options = ringbus_server_options_init();
    options.reply_type.name = "T";
    REFUSED(ringbus_server_open(bus, "s", &options, &no_server), RINGBUS_INVALID_ARGUMENT);
    options.size_bytes = 8;
    REFUSED(ringbus_server_open(bus, "s", &options, &no_server), RINGBUS_INVALID_ARGUMENT);
    REFUSED(ringbus_client_open(bus, NULL, NULL, &no_client), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_open(bus, "refusals", NULL, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_open(NULL, "refusals", NULL, &no_client), RINGBUS_NULL_ARGUMENT);
    how.delivery = 9;
    REFUSED(ringbus_client_open(bus, "refusals", &how, &no_client), RINGBUS_INVALID_ARGUMENT);
    how.delivery = 0;
    how.reserved = 1;
    REFUSED(ringbus_client_open(bus, "refusals", &how, &no_client), RINGBUS_INVALID_ARGUMENT);
    how = ringbus_client_options_init();
    how.request_type.name = "T";
    how.request_type.size_bytes = 6;
    how.request_type.alignment_bytes = 4;
    REFUSED(ringbus_client_open(bus, "refusals", &how, &no_client), RINGBUS_INVALID_ARGUMENT);
    CHECK(no_server == NULL && no_client == NULL);

    REFUSED(ringbus_server_poll(server, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_id(server, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_call(client, NULL, 1, 0, &reply), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_call(client, "x", 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_send(client, "x", 1, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_next(client, 0, 0, &reply), RINGBUS_NO_CALL);
    REFUSED(ringbus_client_next(client, 0, 0, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_gather(client, "x", 1, 0, NULL, &count), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_gather(client, "x", 1, 0, &replies, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_client_servers(client, NULL), RINGBUS_NULL_ARGUMENT);
    call = send_text(client, "x");
    request = next_request(server);
    REFUSED(ringbus_server_reply(server, request.id, NULL, 1), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_fail(server, request.id, NULL), RINGBUS_NULL_ARGUMENT);
    REFUSED(ringbus_server_reply(server, request.id + 1, "x", 1), RINGBUS_NO_REQUEST);
    REFUSED(ringbus_server_reply(server, 0, "x", 1), RINGBUS_NO_REQUEST);
    /* Neither another client's call nor another server's request. */
    no_client = client_of(bus, "refusals");
    REFUSED(ringbus_client_next(no_client, call, 0, &reply), RINGBUS_NO_CALL);
    no_server = serve(bus, "refusals");
    REFUSED(ringbus_server_reply(no_server, request.id, "x", 1), RINGBUS_NO_REQUEST);
    OK(ringbus_client_close(no_client));
    OK(ringbus_server_close(no_server));
    OK(ringbus_server_reply(server, request.id, "y", 1));
    OK(ringbus_client_next(client, call, PATIENCE, &reply));
    CHECK(is(&reply, "y"));

    old_client = client;
    old_server = server;
    OK(ringbus_client_close(client));
    OK(ringbus_client_close(NULL));
    OK(ringbus_server_close(server));
    OK(ringbus_server_close(NULL));
    for (n = 0; n < WRONG_HANDLES; n++) {
        const ringbus_code expected = wrong(n, NULL, NULL).expected;
        client = (ringbus_client *)wrong(n, old_client, bus).handle;
        server = (ringbus_server *)wrong(n, old_server, bus).handle;
        REFUSED(ringbus_client_call(client, "x", 1, 0, &reply), expected);
        REFUSED(ringbus_client_send(client, "x", 1, 0, &call), expected);
        REFUSED(ringbus_client_send_to_all(client, "x", 1, 0, &call), expected);
        REFUSED(ringbus_client_next(client, 1, 0, &reply), expected);
        REFUSED(ringbus_client_gather(client, "x", 1, 0, &replies, &count), expected);
        REFUSED(ringbus_client_cancel(client, 1), expected);
        REFUSED(ringbus_client_servers(client, &count), expected);
        REFUSED(ringbus_server_id(server, &id), expected);
        REFUSED(ringbus_server_poll(server, &request), expected);
        REFUSED(ringbus_server_wait(server, 0), expected);
        REFUSED(ringbus_server_send(server, 1, "x", 1), expected);
        REFUSED(ringbus_server_reply(server, 1, "x", 1), expected);
        REFUSED(ringbus_server_finish(server, 1), expected);
        REFUSED(ringbus_server_fail(server, 1, "x"), expected);
        if (n > 0) {
            REFUSED(ringbus_client_close(client), expected);
            REFUSED(ringbus_server_close(server), expected);
        }
    }
}

/* One handle of each, several threads at once: each call is done or refused, and none is done twice. */
typedef struct {
    ringbus_client *client;
    ringbus_server *server;
    uint64_t sent, answered;
} worker;

static void *hammer(void *argument) {
    worker *w = (worker *)argument;
    unsigned n;
    for (n = 0; n < repeats; n++) {
        ringbus_request request;
        uint64_t call;
        ringbus_code code = ringbus_client_send(w->client, &n, sizeof n, 0, &call);
        CHECK(code == RINGBUS_OK || code == RINGBUS_BUSY || code == RINGBUS_FULL);
        if (code == RINGBUS_OK) {
            w->sent++;
            while ((code = ringbus_client_cancel(w->client, call)) == RINGBUS_BUSY) {
                sched_yield();
            }
            CHECK(code == RINGBUS_OK);
        }
        code = ringbus_server_poll(w->server, &request);
        CHECK(code == RINGBUS_OK || code == RINGBUS_EMPTY || code == RINGBUS_BUSY);
        if (code == RINGBUS_OK) {
            /* Another thread may have taken the payload back, but the request is this one's. */
            while ((code = ringbus_server_finish(w->server, request.id)) == RINGBUS_BUSY) {
                sched_yield();
            }
            CHECK(code == RINGBUS_OK);
            w->answered++;
        }
    }
    return NULL;
}

static void check_threads(ringbus_bus *bus) {
    ringbus_server_options patiently = ringbus_server_options_init();
    ringbus_server *server = NULL;
    ringbus_client *client;
    ringbus_request request;
    pthread_t threads[3];
    worker workers[3];
    uint64_t sent = 0, answered = 0;
    unsigned n;

    /* No request is lost, for however long the threads stand still. */
    patiently.stall_timeout_ns = 3600 * SECOND;
    OK(ringbus_server_open(bus, "threads", &patiently, &server));
    client = client_of(bus, "threads");
    for (n = 0; n < 3; n++) {
        memset(&workers[n], 0, sizeof workers[n]);
        workers[n].client = client;
        workers[n].server = server;
        CHECK(pthread_create(&threads[n], NULL, hammer, &workers[n]) == 0);
    }
    for (n = 0; n < 3; n++) {
        CHECK(pthread_join(threads[n], NULL) == 0);
        sent += workers[n].sent;
        answered += workers[n].answered;
    }
    while (ringbus_server_poll(server, &request) == RINGBUS_OK) {
        OK(ringbus_server_finish(server, request.id));
        answered++;
    }
    CHECK(sent == answered && sent > 0);
    OK(ringbus_client_close(client));
    OK(ringbus_server_close(server));
}

static void check_fork(ringbus_bus *bus) {
    ringbus_server *server = serve(bus, "fork");
    ringbus_client *client = client_of(bus, "fork");
    ringbus_request request;
    ringbus_reply reply;
    uint64_t call = send_text(client, "x");
    int status = -1;
    pid_t child;

    request = next_request(server);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        CHECK(ringbus_server_reply(server, request.id, "child", 5) == RINGBUS_FORKED);
        CHECK(ringbus_client_next(client, call, 0, &reply) == RINGBUS_FORKED);
        CHECK(ringbus_client_close(client) == RINGBUS_OK);
        CHECK(ringbus_server_close(server) == RINGBUS_OK);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    OK(ringbus_server_reply(server, request.id, "parent", 6));
    OK(ringbus_client_next(client, call, PATIENCE, &reply));
    CHECK(is(&reply, "parent"));
    OK(ringbus_client_close(client));
    OK(ringbus_server_close(server));
}

int main(int argc, char **argv) {
    const char *directory = directory_of(argc, argv, &repeats);
    ringbus_bus *bus = open_bus(directory);

    check_death(directory, bus);
    check_answers(bus);
    check_no_answer(bus);
    check_gather(bus);
    check_forms(bus);
    check_refusals(bus);
    check_threads(bus);
    check_fork(bus);
    close_bus(bus);
    return 0;
}

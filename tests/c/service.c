/*
 * A server that turns texts round, or its client, compiled as C and as C++.
 *
 *   service serve DIRECTORY COUNT     answers so many requests
 *   service call DIRECTORY COUNT      sends them, and checks each answer
 *
 * Every third request is answered in parts, a byte each; every fifth not at all.
 * Exits 0 only if everything held; says on stderr what did not.
 */
#include "check.h"

static size_t compose(char *text, size_t size, uint64_t n) {
    return (size_t)snprintf(text, size, "request %llu", (unsigned long long)n);
}

static void turn_round(char *to, const char *from, size_t len) {
    size_t i;
    for (i = 0; i < len; i++) {
        to[i] = from[len - 1 - i];
    }
}

static void serve(ringbus_bus *bus, uint64_t count) {
    ringbus_server *server = NULL;
    uint64_t n;
    OK(ringbus_server_open(bus, "turn", NULL, &server));
    for (n = 0; n < count; n++) {
        char text[64], answer[64];
        size_t len = compose(text, sizeof text, n), i;
        ringbus_request request;
        OK(ringbus_server_wait(server, PATIENCE));
        OK(ringbus_server_poll(server, &request));
        CHECK(request.payload_len_bytes == len && memcmp(request.payload, text, len) == 0);
        turn_round(answer, (const char *)request.payload, len);
        if (n % 5 == 4) {
            OK(ringbus_server_fail(server, request.id, text));
        } else if (n % 3 == 2) {
            for (i = 0; i < len; i++) {
                OK(ringbus_server_send(server, request.id, &answer[i], 1));
            }
            OK(ringbus_server_finish(server, request.id));
        } else {
            OK(ringbus_server_reply(server, request.id, answer, len));
        }
    }
    /* Until the client is gone: it may not have read the last answer. */
    {
        ringbus_topic *topic = open_topic(bus, "turn/replies");
        const ringbus_topic_info *info = NULL;
        do {
            OK(ringbus_server_wait(server, MILLISECOND) == RINGBUS_TIMEOUT ? RINGBUS_OK
                                                                           : RINGBUS_OTHER);
            OK(ringbus_topic_describe(topic, &info));
        } while (info->subscriber_count > 0);
        OK(ringbus_topic_close(topic));
    }
    OK(ringbus_server_close(server));
}

static ringbus_client *connect(ringbus_bus *bus) {
    ringbus_client *client = NULL;
    size_t servers = 0;
    while (servers == 0) {
        ringbus_code code = ringbus_client_open(bus, "turn", NULL, &client);
        if (code == RINGBUS_OK) {
            OK(ringbus_client_servers(client, &servers));
            if (servers == 0) {
                OK(ringbus_client_close(client));
            }
        } else {
            CHECK(code == RINGBUS_NO_SERVER);
        }
    }
    return client;
}

static void call_all(ringbus_bus *bus, uint64_t count) {
    ringbus_client *client = connect(bus);
    uint64_t n;
    for (n = 0; n < count; n++) {
        char text[64], expected[64];
        size_t len = compose(text, sizeof text, n), i;
        ringbus_reply reply;
        uint64_t call = 0;
        turn_round(expected, text, len);
        if (n % 5 == 4) {
            CHECK(ringbus_client_call(client, text, len, PATIENCE, &reply) ==
                  RINGBUS_SERVER_FAILED);
            CHECK(strstr(ringbus_last_error(), text) != NULL);
        } else if (n % 3 == 2) {
            OK(ringbus_client_send(client, text, len, PATIENCE, &call));
            for (i = 0; i < len; i++) {
                OK(ringbus_client_next(client, call, PATIENCE, &reply));
                CHECK(reply.payload_len_bytes == 1);
                CHECK(*(const char *)reply.payload == expected[i]);
            }
            CHECK(ringbus_client_next(client, call, PATIENCE, &reply) == RINGBUS_ENDED);
        } else {
            OK(ringbus_client_call(client, text, len, PATIENCE, &reply));
            CHECK(reply.payload_len_bytes == len && memcmp(reply.payload, expected, len) == 0);
        }
    }
    OK(ringbus_client_close(client));
}

int main(int argc, char **argv) {
    ringbus_bus *bus;
    if (argc != 4) {
        fprintf(stderr, "usage: %s serve|call DIRECTORY COUNT\n", argv[0]);
        return 2;
    }
    bus = open_bus(argv[2]);
    if (strcmp(argv[1], "serve") == 0) {
        serve(bus, strtoull(argv[3], NULL, 10));
    } else {
        call_all(bus, strtoull(argv[3], NULL, 10));
    }
    OK(ringbus_bus_close(bus));
    CHECK(ringbus_open_handles() == 0);
    return 0;
}

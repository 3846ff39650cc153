/*
 * Counts the words of texts: a server, and a client that asks one server or all of them.
 *
 *   service serve DIRECTORY COUNT         answers COUNT requests
 *   service call DIRECTORY TEXT           prints the answer of one server
 *   service gather DIRECTORY TEXT         prints those of all, and who has none
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringbus.h>

#define SECOND ((uint64_t)1000000000)

static int report(const char *what) {
    fprintf(stderr, "%s: %s\n", what, ringbus_last_error());
    return 1;
}

static size_t words_in(const char *text, size_t len) {
    size_t i, words = 0;
    for (i = 0; i < len; i++) {
        words += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
    }
    return words;
}

static int serve(ringbus_bus *bus, unsigned long long count) {
    ringbus_server *server = NULL;
    if (ringbus_server_open(bus, "words", NULL, &server) != RINGBUS_OK) {
        return report("server");
    }
    while (count > 0) {
        ringbus_request request;
        ringbus_code code = ringbus_server_poll(server, &request);
        if (code == RINGBUS_OK) {
            /* The request is read where its client wrote it, and stays there until it is answered. */
            const char *text = (const char *)request.payload;
            char answer[32];
            size_t words = words_in(text, request.payload_len_bytes);
            snprintf(answer, sizeof answer, "%lu words", (unsigned long)words);
            code = words == 0 ? ringbus_server_fail(server, request.id, "there are no words")
                              : ringbus_server_reply(server, request.id, answer, strlen(answer));
            count--;
        } else if (code == RINGBUS_EMPTY) {
            code = ringbus_server_wait(server, RINGBUS_FOREVER);
        }
        if (code != RINGBUS_OK) {
            return report("serve");
        }
    }
    return ringbus_server_close(server);
}

static int call(ringbus_client *client, const char *text) {
    ringbus_reply reply;
    ringbus_code code = ringbus_client_call(client, text, strlen(text), 10 * SECOND, &reply);
    if (code == RINGBUS_TIMEOUT) {
        fprintf(stderr, "no answer in time\n");
        return 1;
    }
    if (code != RINGBUS_OK) {
        return report("call");
    }
    printf("%.*s\n", (int)reply.payload_len_bytes, (const char *)reply.payload);
    return 0;
}

static int gather(ringbus_client *client, const char *text) {
    const ringbus_reply *replies = NULL;
    size_t count = 0, i;
    if (ringbus_client_gather(client, text, strlen(text), 10 * SECOND, &replies, &count) !=
        RINGBUS_OK) {
        return report("gather");
    }
    for (i = 0; i < count; i++) {
        if (replies[i].code == RINGBUS_OK) {
            printf("%.*s\n", (int)replies[i].payload_len_bytes, (const char *)replies[i].payload);
        } else {
            printf("none: %s\n", replies[i].why);
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    ringbus_bus_options where = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    ringbus_client *client = NULL;
    int status;

    if (argc != 4) {
        fprintf(stderr, "usage: %s serve DIRECTORY COUNT | call|gather DIRECTORY TEXT\n", argv[0]);
        return 2;
    }
    where.directory = argv[2];
    if (ringbus_bus_open(NULL, &where, &bus) != RINGBUS_OK) {
        return report("bus");
    }
    if (strcmp(argv[1], "serve") == 0) {
        status = serve(bus, strtoull(argv[3], NULL, 10));
    } else if (ringbus_client_open(bus, "words", NULL, &client) != RINGBUS_OK) {
        status = report("client"); /* RINGBUS_NO_SERVER: start one */
    } else {
        status = strcmp(argv[1], "call") == 0 ? call(client, argv[3]) : gather(client, argv[3]);
    }
    ringbus_client_close(client);
    ringbus_bus_close(bus);
    return status;
}

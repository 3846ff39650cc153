/*
 * Sends each line of its input as a message.
 *
 *   publisher DIRECTORY TOPIC
 */
#include <stdio.h>
#include <string.h>

#include <ringbus.h>

static int report(const char *what) {
    fprintf(stderr, "%s: %s\n", what, ringbus_last_error());
    return 1;
}

int main(int argc, char **argv) {
    ringbus_bus_options options = ringbus_bus_options_init();
    ringbus_bus *bus = NULL;
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    char line[1024];

    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY TOPIC\n", argv[0]);
        return 2;
    }
    options.directory = argv[1];
    if (ringbus_bus_open(NULL, &options, &bus) != RINGBUS_OK) {
        return report("bus");
    }
    if (ringbus_topic_open_or_create(bus, argv[2], NULL, &topic) != RINGBUS_OK) {
        return report("topic");
    }
    if (ringbus_publisher_open(topic, &publisher) != RINGBUS_OK) {
        return report("publisher");
    }
    /* Who joins later gets what is published from then on, so wait for the first. */
    if (ringbus_publisher_wait_subscribers(publisher, 1, RINGBUS_FOREVER) != RINGBUS_OK) {
        return report("subscribers");
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\n");
        if (ringbus_publish(publisher, line, len, RINGBUS_FOREVER, NULL) != RINGBUS_OK) {
            return report("publish");
        }
    }
    ringbus_publisher_close(publisher);
    ringbus_topic_close(topic);
    ringbus_bus_close(bus);
    return 0;
}

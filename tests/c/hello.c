#include <stdio.h>
#include "ringbus.h"

int main(void) {
    ringbus_bus *bus = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;

    if (ringbus_bus_open(NULL, "hello", &bus) == RINGBUS_OK &&
        ringbus_subscriber_open(bus, "greetings", NULL, RINGBUS_SUBSCRIBER_RELIABLE, &subscriber) == RINGBUS_OK &&
        ringbus_publisher_open(bus, "greetings", NULL, &publisher) == RINGBUS_OK &&
        ringbus_publish(publisher, "hello, world", 12, 0, RINGBUS_FOREVER, NULL) == RINGBUS_OK &&
        ringbus_subscriber_poll(subscriber, &message) == RINGBUS_OK)
        printf("%d: %.*s\n", (int)message.sequence, (int)message.payload_len_bytes, (const char *)message.payload);
    else
        fprintf(stderr, "%s\n", ringbus_last_error());

    ringbus_publisher_close(publisher);
    ringbus_subscriber_close(subscriber);
    ringbus_bus_close(bus);
    return 0;
}

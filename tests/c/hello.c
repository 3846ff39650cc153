#include <stdio.h>
#include <ringbus.h>

int main(void) {
    ringbus_bus *bus = NULL;
    ringbus_topic *topic = NULL;
    ringbus_publisher *publisher = NULL;
    ringbus_subscriber *subscriber = NULL;
    ringbus_message message;

    if (ringbus_bus_open("hello", NULL, &bus) == RINGBUS_OK &&
        ringbus_topic_open_or_create(bus, "greetings", NULL, &topic) == RINGBUS_OK &&
        ringbus_subscriber_open(topic, NULL, &subscriber) == RINGBUS_OK &&
        ringbus_publisher_open(topic, &publisher) == RINGBUS_OK &&
        ringbus_publish(publisher, "hello, world", 12, RINGBUS_FOREVER, NULL) == RINGBUS_OK &&
        ringbus_subscriber_poll(subscriber, &message) == RINGBUS_OK)
        printf("%d: %.*s\n", (int)message.sequence, (int)message.payload_len_bytes, (const char *)message.payload);
    else
        fprintf(stderr, "%s\n", ringbus_last_error());

    ringbus_publisher_close(publisher);
    ringbus_subscriber_close(subscriber);
    ringbus_topic_close(topic);
    ringbus_bus_close(bus);
    return 0;
}

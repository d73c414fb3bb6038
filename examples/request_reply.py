"""Client and server that ask and answer over two queues, one for each direction."""

import multiprocessing

import liaison


def serve():
    with (
        liaison.MessageQueue.open("requests") as requests,
        liaison.MessageQueue.open("replies") as replies,
    ):
        while (request := requests.get()) is not None:
            replies.put({"id": request["id"], "area": request["width"] * request["height"]})


def main():
    with (
        liaison.MessageQueue.create("requests", max_messages=4) as requests,
        liaison.MessageQueue.create("replies", max_messages=4) as replies,
    ):
        server = multiprocessing.Process(target=serve)
        server.start()
        for number, (width, height) in enumerate([(2, 3), (6, 7)]):
            requests.put({"id": number, "width": width, "height": height})
        for _ in range(2):
            print(replies.get(timeout=60))
        requests.put(None)
        server.join()
        try:
            requests.put("x" * 10_000)
        except liaison.TooLarge as error:
            print("TooLarge:", error)
        requests.destroy()
        replies.destroy()


if __name__ == "__main__":
    main()

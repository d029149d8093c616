"""The official openai package against `panal serve` and `panal up`: lists, completes, streams, and its own exceptions."""

import concurrent.futures
import math
import os
import pathlib
import signal
import socket
import unittest
import urllib.error
import urllib.request

import openai

from harness import SMOLLM2, Case, Server


class OpenAiClient(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.panal("models", "import", SMOLLM2, "--name", "smollm2")
        cls.panal("deploy", "home", "--core", "smollm2")
        cls.server = Server(cls.home, "up")
        cls.addClassCleanup(cls.server.stop)
        cls.client = openai.OpenAI(base_url=cls.server.url, api_key="none", max_retries=0, timeout=120)

    def ask(self, text, **options):
        return self.client.chat.completions.create(
            model="home", messages=[{"role": "user", "content": text}], **{"temperature": 0, "max_tokens": 12, **options})

    def test_lists_models(self):
        ids = [model.id for model in self.client.models.list()]
        self.assertLessEqual({"auto", "home", "smollm2"}, set(ids))
        self.assertEqual(self.client.models.retrieve("home").id, "home")

    def test_chat_answers_with_usage_and_trace(self):
        answer = self.ask("What is the capital of France?")
        self.assertIn("Paris", answer.choices[0].message.content)
        self.assertGreater(answer.usage.prompt_tokens, 5)
        self.assertGreater(answer.usage.completion_tokens, 0)
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        trace = answer.panal if hasattr(answer, "panal") else answer.model_extra["panal"]
        self.assertEqual(trace["parts"][0]["expert"], "core")
        energy = trace["parts"][0]["energy"]
        self.assertTrue(energy["joules"] is None or energy["joules"] > 0)
        self.assertTrue(energy["method"].split(":")[0] in ("measured", "estimated", "unknown"))

    def test_streaming_joins_to_the_same_text(self):
        whole = self.ask("Name three colours.").choices[0].message.content
        chunks = list(self.ask("Name three colours.", stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), whole)
        self.assertIsNotNone(chunks[-1].usage)

    def test_several_choices_have_seeds_of_their_own(self):
        how = {"temperature": 1, "seed": 11, "max_tokens": 20}
        one = self.ask("Name an animal and say what it likes.", **how)
        three = self.ask("Name an animal and say what it likes.", n=3, **how)
        self.assertEqual([choice.index for choice in three.choices], [0, 1, 2])
        self.assertGreater(len({choice.message.content for choice in three.choices}), 1)
        self.assertEqual(three.usage.prompt_tokens, one.usage.prompt_tokens)
        self.assertGreater(three.usage.completion_tokens, one.usage.completion_tokens)
        streamed = ["", "", ""]
        for chunk in self.ask("Name an animal and say what it likes.", n=3, stream=True, **how):
            for choice in chunk.choices:
                streamed[choice.index] += choice.delta.content or ""
        self.assertTrue(all(streamed))

    def test_logprobs_belong_to_the_tokens_of_the_answer(self):
        question = "What is the capital of France?"
        choice = self.ask(question, logprobs=True, top_logprobs=5).choices[0]
        tokens = choice.logprobs.content
        self.assertTrue(b"".join(bytes(token.bytes) for token in tokens).decode().startswith(choice.message.content))
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 5)
            self.assertEqual(token.top_logprobs[0].token, token.token)  # Greedy.
            self.assertLessEqual(sum(math.exp(one.logprob) for one in token.top_logprobs), 1 + 1e-6)
            logprobs = [one.logprob for one in token.top_logprobs]
            self.assertEqual(logprobs, sorted(logprobs, reverse=True))
        streamed = [token for chunk in self.ask(question, logprobs=True, stream=True) for choice in chunk.choices if choice.logprobs
                    for token in choice.logprobs.content]
        self.assertEqual([token.token for token in streamed], [token.token for token in tokens])
        plain = self.client.completions.create(model="smollm2", prompt="The capital of France is", max_tokens=4, temperature=0, logprobs=2)
        columns = plain.choices[0].logprobs
        self.assertEqual("".join(columns.tokens), plain.choices[0].text)
        self.assertEqual(columns.text_offset[1], len(columns.tokens[0]))
        self.assertEqual(columns.top_logprobs[0][columns.tokens[0]], columns.token_logprobs[0])

    def test_bias_and_the_fewest_tokens_bend_the_answer(self):
        forced = self.ask("What is 2 + 2?", logit_bias={"1000": 100}, logprobs=True, max_tokens=5).choices[0]
        self.assertEqual(len({token.token for token in forced.logprobs.content}), 1)
        usual = self.ask("Answer with one word: what colour is the sky?", max_tokens=60)
        longer = self.ask("Answer with one word: what colour is the sky?", max_tokens=60, extra_body={"min_tokens": 60})
        self.assertLess(usual.usage.completion_tokens, 60)
        self.assertEqual(longer.usage.completion_tokens, 60)

    def test_plain_completions(self):
        answer = self.client.completions.create(model="smollm2", prompt="The capital of France is", max_tokens=4, temperature=0)
        self.assertIn("Paris", answer.choices[0].text)

    def test_concurrent_clients_get_their_own_answers(self):
        questions = ["What is the capital of France?", "What is 2 + 2?", "Name three colours.", "Say hello in Spanish."]
        alone = {text: self.ask(text).choices[0].message.content for text in questions}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda text: (text, self.ask(text).choices[0].message.content), questions * 3))
        for text, answer in answers:
            self.assertEqual(answer, alone[text])

    def test_errors_are_the_clients_own_exceptions(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "x"}])
        with self.assertRaises(openai.BadRequestError):
            self.ask("x", n=0)
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model="home", messages=[])
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask("word " * 20000)
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_bodies_that_are_not_json_or_too_large(self):
        for body, status in ((b"{not json", 400), (b"x" * 100_000_000, 413)):
            request = urllib.request.Request(self.server.url + "/chat/completions", data=body,
                                             headers={"Content-Type": "application/json"})
            try:
                with self.assertRaises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request, timeout=60)
                self.assertEqual(caught.exception.code, status)
                caught.exception.close()
            except urllib.error.URLError:
                self.assertEqual(status, 413)  # The server closed before the whole body was sent.

    def test_a_client_that_leaves_mid_stream_frees_its_work(self):
        stream = self.ask("Tell me a very long story.", stream=True, max_tokens=2000)
        next(iter(stream))
        stream.close()
        self.assertTrue(self.ask("What is 2 + 2?").choices[0].message.content)

    def test_the_second_hub_on_one_home_is_refused(self):
        done = self.run_panal("up", "--port", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use by process", done.stderr)

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.run_panal("serve", "smollm2", "--port", taken.getsockname()[1])
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)

    def test_panal_ask_shows_the_trace(self):
        answer = self.panal("ask", "What is the capital of France?", "--url", self.server.url.removesuffix("/v1"), "--max-tokens", "12",
                            "--temperature", "0")
        self.assertIn("Paris", answer["text"])
        self.assertIn("totals", answer["panal"])


class KilledWhileServing(Case):
    """Nothing acknowledged is lost, and no engine is left behind, when a process of a serving hub dies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.panal("models", "import", SMOLLM2, "--name", "smollm2")
        cls.panal("deploy", "home", "--core", "smollm2")

    def engine_of(self, server):
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, parent = path.read_text().rsplit(")", 1)[0].split("(", 1)[1], path.read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if name == "panal-engine" and int(parent) == server.process.pid:
                return int(path.parent.name)
        raise AssertionError("the hub has no engine")

    def ask(self, server):
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=120)
        return client.chat.completions.create(model="home", messages=[{"role": "user", "content": "What is the capital of France?"}],
                                              temperature=0, max_tokens=12).choices[0].message.content

    def test_a_killed_engine_is_started_again_and_stays(self):
        server = Server(self.home, "up")
        self.addCleanup(server.stop)
        before = self.ask(server)
        killed = self.engine_of(server)
        os.kill(killed, signal.SIGKILL)
        # Several at once: the first starts the engine again, and none of the others is lost over it.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(self.ask, [server] * 4)), [before] * 4)
        restarted = self.engine_of(server)
        self.assertNotEqual(restarted, killed)
        self.assertEqual(self.ask(server), before)
        self.assertEqual(self.engine_of(server), restarted)

    def test_a_killed_hub_takes_its_engine_along_and_the_next_one_serves(self):
        server = Server(self.home, "up")
        before = self.ask(server)
        engine = self.engine_of(server)
        server.stop(signal.SIGKILL)
        self.wait_until(lambda: not pathlib.Path(f"/proc/{engine}").exists())
        self.assertEqual([m["state"] for m in self.panal("models")["models"]], ["preferred"])
        again = Server(self.home, "up")
        self.addCleanup(again.stop)
        self.assertEqual(self.ask(again), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)

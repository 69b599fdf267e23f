// serving_bench SERVER MODEL: what a server adds to the work itself. SERVER (HOST:PORT) is an easeld of the model directory MODEL with
// one worker of one thread, so that Pipeline::Generate here, also on one thread, is the same computation.
//
// Reads lines from standard input and answers each with seconds:
//   serial         Pipeline::Generate in this process
//   between        its loop of forwards, a step of it without the forward
//   plain          one request over GenerateStream, without previews, until it has its PNG
//   stream N       N requests at once, previews every second step, until the last has its PNG
//   preview        one such request, until its first preview
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "client/image_client.h"
#include "tests/bench/serial_generation.h"

namespace easel {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

v1::GenerateRequest Request(uint64_t seed, bool previews) {
  v1::GenerateRequest request;
  request.set_prompt("red apple");
  request.set_seed(seed);
  if (previews) request.mutable_preview()->set_every_n_steps(2);
  return request;
}

int Run(const std::string& server, const std::string& model) {
  SerialGeneration serial(model, "red apple");
  auto client = ImageClient::Create({.server = server, .retries = 0});
  if (!client.ok()) {
    std::cerr << "serving_bench: " << client.status().message() << "\n";
    return 1;
  }
  uint64_t seed = 0;
  for (std::string what; std::cin >> what;) {
    const auto began = Clock::now();
    double first_preview = 0;
    if (what == "between") {
      std::cout << serial.BetweenForwards(seed++) << std::endl;
      continue;
    }
    if (what == "serial") {
      serial.Generate(seed++);
    } else {
      int count = 1;
      if (what == "stream") std::cin >> count;
      std::vector<std::thread> calls;
      for (int i = 0; i < count; ++i) {
        calls.emplace_back([&, request = Request(seed++, what != "plain")] {
          const auto response = (*client)->Generate(request, [&](const v1::GenerationEvent& event) {
            if (count == 1 && first_preview == 0 && event.has_preview()) first_preview = Since(began);
          });
          if (!response.ok()) {
            std::cerr << "serving_bench: " << response.status() << "\n";
            std::exit(1);
          }
        });
      }
      for (std::thread& call : calls) call.join();
    }
    std::cout << (what == "preview" ? first_preview : Since(began)) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: serving_bench HOST:PORT MODEL\n";
    return 2;
  }
  return easel::Run(argv[1], argv[2]);
}

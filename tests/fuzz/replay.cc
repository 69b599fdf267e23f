// A fuzzer without libFuzzer: runs each seed of a corpus, then mutations of it, the same ones every time.
//
//   <fuzzer> CORPUS MUTATIONS    CORPUS: a directory; MUTATIONS: of each of its files
#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace easel {
namespace {

using Random = std::mt19937_64;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// One change: some bits or a byte, a cut, or a piece of `other` put in.
void Mutate(std::string& bytes, const std::string& other, Random& random) {
  auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  const size_t place = below(bytes.size() + 1);
  switch (random() % 5) {
    case 0:
      if (place < bytes.size()) bytes[place] ^= 1 << below(8);
      break;
    case 1:
      if (place < bytes.size()) bytes[place] = static_cast<char>(random());
      break;
    case 2:
      bytes.resize(place);
      break;
    case 3:
      bytes.erase(place, below(16));
      break;
    case 4: {
      const size_t begin = below(other.size());
      bytes.insert(place, other, begin, below(std::min<size_t>(other.size() - begin, 256)) + 1);
      break;
    }
  }
}

int Main(const std::string& corpus, int mutations) {
  std::vector<std::string> paths, seeds;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) seeds.push_back(ReadAll(path));
  Random random(1);
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::printf("%s and %d mutations\n", paths[i].c_str(), mutations);
    std::fflush(stdout);  // so that the last line names the seed whose mutation crashed
    Run(seeds[i]);
    for (int mutation = 0; mutation < mutations; ++mutation) {
      std::string bytes = seeds[i];
      for (int changes = 1 + random() % 4; changes > 0; --changes) {
        Mutate(bytes, seeds[random() % seeds.size()], random);
      }
      Run(bytes);
    }
  }
  Require(!seeds.empty(), "no seeds in " + corpus);
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  easel::Require(argc == 3, "usage: CORPUS MUTATIONS");
  return easel::Main(argv[1], std::stoi(argv[2]));
}

#include "tests/e2e/test_server.h"

#include "tests/server/engine/staged_pipeline.h"
#include "tests/testing/tiny_pipeline.h"

namespace easel {

void TestServer::Serve() {
  app->Serve({{{"staged", MakeStagedPipeline(gate)}, 0.5}, {{"colours", MakeAnalyticPipeline()}, 0.25}},
             options.layout, options.engine);
}

}  // namespace easel

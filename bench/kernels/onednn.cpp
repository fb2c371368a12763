//===- onednn.cpp - The product by oneDNN ---------------------------------===//

#include "bench.h"

#include <oneapi/dnnl/dnnl.hpp>

using dnnl::memory;

namespace {

class OneDnn : public Method {
public:
  OneDnn(const Problem &problem, size_t workingSet)
      : engine(dnnl::engine::kind::cpu, 0), stream(engine),
        a(rows(problem.m, problem.k, problem.lda), engine, problem.a.get()),
        c(rows(problem.m, problem.n, problem.ldc), engine, problem.c.get()) {
    memory::desc plain = rows(problem.k, problem.n, problem.ldb);
    memory::desc packed = plain;
    // What is computed anew each time is not packed.
    if (problem.isWeight())
      packed = {{problem.k, problem.n},
                memory::data_type::f32,
                memory::format_tag::any};
    dnnl::matmul::primitive_desc description(
        {a.get_desc(), packed, c.get_desc()}, engine);
    matmul = dnnl::matmul(description);
    implementation = description.impl_info_str();
    packed = description.weights_desc();
    memory source(plain, engine, problem.b.get());
    weights = std::make_unique<Copies>(
        packed.get_size() / sizeof(float), workingSet, [&](float *to) {
          memory target(packed, engine, to);
          dnnl::reorder(source, target).execute(stream, source, target);
          stream.wait();
        });
    for (size_t copy = 0; copy < weights->count(); ++copy)
      b.emplace_back(packed, engine, (*weights)[copy]);
  }

  std::string form() const override { return implementation; }

  size_t copies() const override { return weights->count(); }

  void run(size_t copy) override {
    // In C: the C++ interface would make a map of the arguments each time.
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, a.get()},
                                   {DNNL_ARG_WEIGHTS, b[copy].get()},
                                   {DNNL_ARG_DST, c.get()}};
    dnnl_primitive_execute(matmul.get(), stream.get(), 3, arguments);
  }

private:
  static memory::desc rows(int64_t count, int64_t size, int64_t stride) {
    return {{count, size}, memory::data_type::f32, memory::dims{stride, 1}};
  }

  dnnl::engine engine;
  dnnl::stream stream;
  memory a, c;
  dnnl::matmul matmul;
  std::string implementation;
  std::unique_ptr<Copies> weights;
  std::vector<memory> b;
};

} // namespace

Methods onednnMethods(const Problem &problem, size_t workingSet) {
  Methods methods;
  methods.push_back(std::make_unique<OneDnn>(problem, workingSet));
  return methods;
}

// cuBLAS on the simulated machine: the products that Orthotope calls, with all arguments checked.
//
// Column-major like the library. Sums are in double and rounded once, so results are not those of
// the library bit for bit, nor those of another order of adding.
#include <cublas_v2.h>

#include <algorithm>

#include "core/error.h"
#include "tests/support/cudasim/machine.h"

using namespace ortho::sim;

struct cublasContext {
  Device* device = nullptr;
  cudaStream_t stream = nullptr;
};

namespace {

using ortho::text;

struct Matrix {
  const char* name;
  const void* data;
  std::int64_t rows, columns, ld, step;  // step: between those of a batch
};

template <class T>
struct Product {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k, batch;
  T alpha, beta;
  const T *a, *b;
  T* c;
  std::int64_t lda, ldb, ldc, step_a, step_b, step_c;

  void run() const {
    for (std::int64_t i = 0; i < batch; ++i)
      run_one(a + i * step_a, b + i * step_b, c + i * step_c);
  }
  void run_one(const T* one_a, const T* one_b, T* one_c) const {
    for (std::int64_t column = 0; column < n; ++column)
      for (std::int64_t row = 0; row < m; ++row) {
        double sum = 0;
        for (std::int64_t inner = 0; inner < k; ++inner)
          sum += double{one_a[transpose_a ? inner + row * lda : row + inner * lda]} *
                 double{one_b[transpose_b ? column + inner * ldb : inner + column * ldb]};
        T& result = one_c[row + column * ldc];
        const double before = beta == T{0} ? 0.0 : double{beta} * double{result};
        result = static_cast<T>(double{alpha} * sum + before);
      }
  }
};

// "" or what the library, or the memory behind the pointer, would not bear.
std::string wrong(const Matrix& matrix, std::int64_t batch, std::size_t element,
                  const Device& one) {
  if (matrix.rows == 0 || matrix.columns == 0 || batch == 0) return "";
  if (matrix.ld < std::max<std::int64_t>(1, matrix.rows))
    return text("the leading dimension of ", matrix.name, " is ", matrix.ld, ", its columns have ",
                matrix.rows, " rows");
  const std::int64_t last =
      (batch - 1) * matrix.step + (matrix.columns - 1) * matrix.ld + matrix.rows;
  const Place place = place_of(matrix.data);
  if (place.where != Where::device || place.device != one.number)
    return text(matrix.name, " is not memory of device ", one.number);
  if (place.bytes < static_cast<std::size_t>(last) * element)
    return text(matrix.name, " needs ", last, " elements, its memory has ", place.bytes / element,
                " (leading dimension ", matrix.ld, ")");
  return "";
}

cublasStatus_t refuse(const std::string& what) {
  note_violation(text("cuBLAS: ", what));
  return CUBLAS_STATUS_INVALID_VALUE;
}

template <class T>
cublasStatus_t multiply(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                        const T* alpha, const T* beta, Product<T> product) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (handle->stream == nullptr) return refuse("a product on the legacy default stream");
  if (place_of(alpha).where == Where::device || place_of(beta).where == Where::device)
    return refuse("alpha and beta are read on the host");
  Product<T>& p = product;
  if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0)
    return refuse(text("sizes ", p.m, ", ", p.n, ", ", p.k, ", batch ", p.batch));
  p.transpose_a = ta != CUBLAS_OP_N;
  p.transpose_b = tb != CUBLAS_OP_N;
  const Matrix a = {"A",   p.a,     p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k,
                    p.lda, p.step_a};
  const Matrix b = {"B",   p.b,     p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n,
                    p.ldb, p.step_b};
  const Matrix c = {"C", p.c, p.m, p.n, p.ldc, p.step_c};
  for (const Matrix& matrix : {a, b, c}) {
    const std::string what = wrong(matrix, p.batch, sizeof(T), *handle->device);
    if (!what.empty()) return refuse(what);
  }
  if (p.batch > 1 && p.step_c < p.ldc * (p.n - 1) + p.m && p.step_c < p.m)
    return refuse(text("products of a batch write over each other: step ", p.step_c));
  p.alpha = *alpha;
  p.beta = *beta;
  const auto act = [product] {
    product.run();
    return true;
  };
  const cudaError_t result = issue(handle->stream, {"product", [act] { return Act(act); }});
  return result == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (ready() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext{&device(), nullptr};  // until cublasDestroy_v2
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (!exists(stream)) return refuse("a stream that does not exist");
  if (stream->device != handle->device) return refuse("a stream of another device");
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t, cublasPointerMode_t mode) {
  return mode == CUBLAS_POINTER_MODE_HOST ? CUBLAS_STATUS_SUCCESS
                                          : refuse("alpha and beta on the device");
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  const Place place = place_of(workspace);
  if (bytes > 0 && (place.where != Where::device || place.device != handle->device->number ||
                    place.bytes < bytes))
    return refuse(text("a workspace of ", bytes, " bytes, there are ", place.bytes));
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "a cuBLAS error";
}
const char* cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }

cublasStatus_t cublasSgemm_v2_64(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                                 int64_t m, int64_t n, int64_t k, const float* alpha,
                                 const float* a, int64_t lda, const float* b, int64_t ldb,
                                 const float* beta, float* c, int64_t ldc) {
  return multiply<float>(handle, ta, tb, alpha, beta,
                         {{}, {}, m, n, k, 1, {}, {}, a, b, c, lda, ldb, ldc, 0, 0, 0});
}

cublasStatus_t cublasDgemm_v2_64(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                                 int64_t m, int64_t n, int64_t k, const double* alpha,
                                 const double* a, int64_t lda, const double* b, int64_t ldb,
                                 const double* beta, double* c, int64_t ldc) {
  return multiply<double>(handle, ta, tb, alpha, beta,
                          {{}, {}, m, n, k, 1, {}, {}, a, b, c, lda, ldb, ldc, 0, 0, 0});
}

cublasStatus_t cublasSgemmStridedBatched_64(cublasHandle_t handle, cublasOperation_t ta,
                                            cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
                                            const float* alpha, const float* a, int64_t lda,
                                            long long step_a, const float* b, int64_t ldb,
                                            long long step_b, const float* beta, float* c,
                                            int64_t ldc, long long step_c, int64_t batch) {
  return multiply<float>(
      handle, ta, tb, alpha, beta,
      {{}, {}, m, n, k, batch, {}, {}, a, b, c, lda, ldb, ldc, step_a, step_b, step_c});
}

cublasStatus_t cublasDgemmStridedBatched_64(cublasHandle_t handle, cublasOperation_t ta,
                                            cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
                                            const double* alpha, const double* a, int64_t lda,
                                            long long step_a, const double* b, int64_t ldb,
                                            long long step_b, const double* beta, double* c,
                                            int64_t ldc, long long step_c, int64_t batch) {
  return multiply<double>(
      handle, ta, tb, alpha, beta,
      {{}, {}, m, n, k, batch, {}, {}, a, b, c, lda, ldb, ldc, step_a, step_b, step_c});
}

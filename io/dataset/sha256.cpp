#include "io/dataset/sha256.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <openssl/evp.h>

#include "engine/core/errors.h"
#include "io/nifti/paths.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

class Digest {
 public:
  void add(const fs::path& file) {
    const auto fail = [&](const std::string& why) {
      throw Error(ExitCode::data, text(file.string(), ": ", why));
    };
    std::error_code failed;  // before it is opened, as opening a pipe waits for its other end
    if (fs::exists(file, failed) && !fs::is_regular_file(file, failed))
      fail("expected a file, found something else");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> input(std::fopen(file.c_str(), "rb"), std::fclose);
    if (!input) fail(text("cannot read the file: ", std::strerror(errno)));
    if (!begun_) fail("libcrypto has no SHA-256");
    char buffer[1 << 16];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, input.get())) > 0;) {
      if (EVP_DigestUpdate(context_.get(), buffer, got) != 1) fail("SHA-256 failed");
    }
    if (std::ferror(input.get())) fail(text("cannot read the file: ", std::strerror(errno)));
  }

  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) throw EngineError("SHA-256 failed");
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      hex += kDigits[digest[i] >> 4];
      hex += kDigits[digest[i] & 15];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  bool begun_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
};

}  // namespace

std::string sha256_of_file(const fs::path& file) {
  Digest digest;
  digest.add(file);
  return digest.hex();
}

std::string sha256_of_image(const fs::path& file) {
  if (!nifti::is_pair_path(file)) return sha256_of_file(file);
  Digest digest;
  digest.add(nifti::header_path(file));
  digest.add(nifti::image_path(nifti::header_path(file)));
  return digest.hex();
}

}  // namespace duet

#include "tests/support/test_certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace paddock::testing {
namespace {

constexpr long kLifetimeSeconds = 24 * 60 * 60;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "can't make test certificates: %s\n", what);
  abort();
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* NewCertificate(EVP_PKEY* key, const std::string& name, int serial) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  // A clock that is a little off still accepts it.
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60 * 60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kLifetimeSeconds);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  Require(file != nullptr &&
              PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
              std::fclose(file) == 0,
          path.c_str());
}

void WriteCertificate(const std::string& path, X509* certificate) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  Require(file != nullptr && PEM_write_X509(file, certificate) == 1 && std::fclose(file) == 0,
          path.c_str());
}

}  // namespace

struct TestCertificates::Key {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

TestCertificates::TestCertificates() : ca_(new Key) {
  char name[] = "/tmp/paddock-certificates-XXXXXX";
  Require(mkdtemp(name) != nullptr, name);
  directory_ = name;
  ca_->key = EVP_EC_gen("P-256");
  Require(ca_->key != nullptr, "the CA's key");
  ca_->certificate = NewCertificate(ca_->key, "Test CA", serial_++);
  X509_set_issuer_name(ca_->certificate, X509_get_subject_name(ca_->certificate));
  AddExtension(ca_->certificate, ca_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(ca_->certificate, ca_->certificate, NID_key_usage, "critical,keyCertSign");
  Require(X509_sign(ca_->certificate, ca_->key, EVP_sha256()) > 0, "the CA's signature");
  WriteCertificate(ca_file(), ca_->certificate);
}

TestCertificates::~TestCertificates() {
  EVP_PKEY_free(ca_->key);
  X509_free(ca_->certificate);
  delete ca_;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

TlsFiles TestCertificates::Issue(absl::string_view file_name,
                                 const std::vector<std::string>& roles) {
  const std::string stem = absl::StrCat(directory_, "/", file_name);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  Require(key != nullptr, "a key");
  X509* certificate = NewCertificate(key, std::string(file_name), serial_++);
  X509_set_issuer_name(certificate, X509_get_subject_name(ca_->certificate));
  std::string names = "DNS:localhost,IP:127.0.0.1";
  for (const std::string& role : roles) absl::StrAppend(&names, ",URI:", role);
  AddExtension(certificate, ca_->certificate, NID_subject_alt_name, names);
  AddExtension(certificate, ca_->certificate, NID_ext_key_usage, "serverAuth,clientAuth");
  Require(X509_sign(certificate, ca_->key, EVP_sha256()) > 0, "a signature");
  WriteKey(stem + ".key", key);
  WriteCertificate(stem + ".crt", certificate);
  EVP_PKEY_free(key);
  X509_free(certificate);
  return {ca_file(), stem + ".crt", stem + ".key"};
}

}  // namespace paddock::testing

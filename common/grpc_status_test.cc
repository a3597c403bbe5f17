#include "common/grpc_status.h"

#include "common/errors.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(GrpcStatusTest, DetailsGoThereAndBack) {
  absl::Status error = errors::InvalidFields({{"name", "is required"}, {"wait", "is too long"}});
  SetRetryDelay(&error, absl::Seconds(2));
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(error)), error);
}

TEST(GrpcStatusTest, TheTrailerHoldsTheStandardMessages) {
  const grpc::Status status = ToGrpcStatus(errors::EnvironmentNameTaken("x"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS));
  EXPECT_EQ(details.message(), status.error_message());
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "ENVIRONMENT_NAME_TAKEN");
  EXPECT_EQ(info.domain(), "paddock");
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "name");
}

TEST(GrpcStatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(GrpcStatusTest, EveryCodeMapsToItself) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status(static_cast<grpc::StatusCode>(code), "m");
    const absl::Status converted = FromGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(converted.code()), code);
    EXPECT_EQ(static_cast<int>(ToGrpcStatus(converted).error_code()), code);
  }
}

TEST(GrpcStatusTest, GarbledDetailsAreDropped) {
  const absl::Status status =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "m", "\xff\xff\xff"));
  EXPECT_EQ(status, absl::NotFoundError("m"));
}

}  // namespace
}  // namespace paddock

#include "controlplane/store/environment_rows.h"

#include "controlplane/store/json_codec.h"
#include "controlplane/store/row_reader.h"

namespace paddock {

Environment ReadEnvironment(const pqxx::row& row) {
  RowReader reader(row);
  Environment environment;
  environment.id = EnvironmentId(reader.String());
  environment.tenant.organization = reader.String();
  environment.tenant.workspace = reader.String();
  environment.name = reader.String();
  environment.description = reader.OptionalString();
  environment.metadata = DecodeMap(reader.Text());
  environment.config = DecodeConfig(reader.Text());
  environment.image = DecodeImage(reader.Text());
  environment.revision = reader.Integer();
  environment.created_at = reader.Time();
  environment.updated_at = reader.Time();
  environment.archived_at = reader.OptionalTime();
  return environment;
}

}  // namespace paddock

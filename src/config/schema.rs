use super::Config;

/// The JSON Schema of the file, for editors: what `schemas/config.schema.json` holds.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".to_owned(), "Poplar configuration".into());
    schema.to_value()
}

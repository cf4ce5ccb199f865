//! What the next session would do, beside whoever owns the archive.

use crate::catalog::Catalog;
use crate::config::{Account, Config};
use crate::mail::Clock;
use crate::pipeline;

pub use crate::pipeline::{Forecast, ForecastStep as Step};

/// Asks the server; neither it nor the archive is changed.
pub async fn plan(config: &Config, account: &Account, clock: &Clock) -> anyhow::Result<Forecast> {
    let catalog = tokio::task::block_in_place(|| Catalog::beside(&config.data_dir))?;
    Ok(pipeline::forecast(catalog.as_ref(), account, clock.now()).await?)
}

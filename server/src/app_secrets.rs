//! The application's own secrets, as whoever runs Coffer gives them: by a file, or by the environment variable that the
//! application itself reads. Never as an argument, and never kept.

use std::{env, fs, path::PathBuf};

use coffer_core::{
    Digest,
    app_secret::{AppSecret, SecretError, SecretFingerprint, SecretMark, WrappingError},
    manifest::Manifest,
    plan::{HeldSecret, SecretState},
    policy::AppSecretForm,
};
use zeroize::Zeroizing;

/// Bytes that such a file has at most.
const MAX_BYTES: u64 = 64 << 10;

/// Where secrets are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSecrets {
    /// Files, by the variables that they are given in place of.
    files: Vec<(String, PathBuf)>,
    /// Coffer's own, where its own configuration is backed up or restored.
    own: Option<(String, AppSecret)>,
}

/// Why a secret can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AppSecretsError {
    /// Its file can't be read.
    #[error("cannot read the secret {variable} from {path}: {error}; nothing was changed")]
    Read {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is needed, and nobody gave it.
    #[error(
        "the secret {variable} is needed and was not given; nothing was written; set that variable, or give a file with \
         --app-secret {variable}=FILE"
    )]
    Missing {
        /// The variable.
        variable: String,
    },
    /// Unwrapped values are credentials, and those are only in sensitive archives.
    #[error(
        "values without the application's own secret are written only into a sensitive archive; nothing was written; add \
         --sensitive, or leave --unwrap-app-secrets out"
    )]
    NotSensitive,
    /// There is nothing to unwrap.
    #[error(
        "no preset says which values are wrapped with a secret that can be taken off; nothing was written; leave \
         --unwrap-app-secrets out"
    )]
    NothingToUnwrap,
    /// Its fingerprint can't be computed.
    #[error("the secret {variable} cannot be used: {error}; nothing was changed")]
    Unusable {
        /// The variable.
        variable: String,
        /// Why.
        error: SecretError,
    },
    /// A value can't be wrapped or unwrapped.
    #[error("{0}")]
    Wrapping(#[from] WrappingError),
}

impl AppSecretsError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "file",
            Self::Missing { .. } => "app_secret_missing",
            Self::NotSensitive => "unwrap_needs_sensitive",
            Self::NothingToUnwrap => "nothing_to_unwrap",
            Self::Unusable { .. } | Self::Wrapping(WrappingError::Secret { .. }) => {
                "app_secret_unusable"
            }
            Self::Wrapping(_) => "app_secret_does_not_fit",
        }
    }
}

impl AppSecrets {
    /// With files in place of some variables.
    #[must_use]
    pub const fn new(files: Vec<(String, PathBuf)>) -> Self {
        Self { files, own: None }
    }

    /// One that this program has itself.
    pub(crate) fn own(variable: &str, secret: AppSecret) -> Self {
        Self {
            files: Vec::new(),
            own: Some((variable.to_owned(), secret)),
        }
    }

    /// Whether this program has the secret itself, so that nobody has to be asked for it.
    pub(crate) const fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// The secret of a variable; nothing if nobody gave it.
    ///
    /// # Errors
    /// [`AppSecretsError::Read`].
    pub fn get(&self, variable: &str) -> Result<Option<AppSecret>, AppSecretsError> {
        if let Some((name, secret)) = &self.own
            && name == variable
        {
            return Ok(Some(secret.clone()));
        }
        let given = self.files.iter().find(|(name, _)| name == variable);
        let text = match given {
            None => env::var(variable).ok().map(Zeroizing::new),
            Some((_, path)) => {
                let read = |error| AppSecretsError::Read {
                    variable: variable.to_owned(),
                    path: path.display().to_string(),
                    error,
                };
                let size = fs::metadata(path).map_err(read)?.len();
                if size > MAX_BYTES {
                    return Err(read(std::io::ErrorKind::FileTooLarge.into()));
                }
                Some(Zeroizing::new(fs::read_to_string(path).map_err(read)?))
            }
        };
        let secret = text.map(|text| AppSecret::new(&text));
        Ok(secret.filter(|secret| !secret.is_empty()))
    }

    /// Those that marks with unwrapped values name.
    ///
    /// # Errors
    /// [`AppSecretsError::Missing`], or that of [`AppSecrets::get`].
    pub fn that_wrap(
        &self,
        marks: &[SecretMark],
    ) -> Result<Vec<(String, AppSecret)>, AppSecretsError> {
        let unwrapped = marks.iter().filter(|mark| mark.unwrapped);
        unwrapped
            .map(|mark| {
                let secret = self.get(&mark.variable)?;
                let missing = || AppSecretsError::Missing {
                    variable: mark.variable.clone(),
                };
                Ok((mark.variable.clone(), secret.ok_or_else(missing)?))
            })
            .collect()
    }

    /// Completes the marks of a backup: with fingerprints of the secrets that are there, and if values are to be
    /// `unwrapped`, with that, for all of them or none. `salts` are random, one for each mark.
    ///
    /// # Errors
    /// [`AppSecretsError`].
    pub(crate) fn complete(
        &self,
        marks: &mut [SecretMark],
        unwrap: bool,
        salts: &[Digest],
    ) -> Result<(), AppSecretsError> {
        let opens = |mark: &SecretMark| mark.form != AppSecretForm::Opaque;
        if unwrap && !marks.iter().any(opens) {
            return Err(AppSecretsError::NothingToUnwrap);
        }
        for (mark, salt) in marks.iter_mut().zip(salts) {
            mark.unwrapped = unwrap && opens(mark);
            let variable = || mark.variable.clone();
            match self.get(&mark.variable)? {
                Some(secret) => {
                    let print = SecretFingerprint::of(&secret, *salt);
                    let unusable = |error| AppSecretsError::Unusable {
                        variable: variable(),
                        error,
                    };
                    mark.fingerprint = Some(print.map_err(unusable)?);
                }
                None if mark.unwrapped => {
                    return Err(AppSecretsError::Missing {
                        variable: variable(),
                    });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// How the target's secrets compare with those that an archive depends on.
    ///
    /// # Errors
    /// [`AppSecretsError`].
    pub(crate) fn held(&self, archive: &Manifest) -> Result<Vec<HeldSecret>, AppSecretsError> {
        let marks = archive.app_secrets.iter();
        marks
            .map(|mark| {
                let secret = self.get(&mark.variable)?;
                let state = match (secret, &mark.fingerprint) {
                    (None, _) => SecretState::NotGiven,
                    // Values that are here without a secret fit any, so nobody has to find out.
                    (Some(_), _) if mark.unwrapped => SecretState::NotComparable,
                    (Some(_), None) => SecretState::NotComparable,
                    (Some(secret), Some(print)) => {
                        let same = print.is_of(&secret);
                        let unusable = |error| AppSecretsError::Unusable {
                            variable: mark.variable.clone(),
                            error,
                        };
                        if same.map_err(unusable)? {
                            SecretState::Same
                        } else {
                            SecretState::Other
                        }
                    }
                };
                Ok(HeldSecret {
                    variable: mark.variable.clone(),
                    state,
                })
            })
            .collect()
    }
}

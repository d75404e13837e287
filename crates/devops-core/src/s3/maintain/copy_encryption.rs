//! Determines the encryption of a copy from that of the object.

use aws_sdk_s3::types::ServerSideEncryption;

use crate::s3::object::protection::Given;

impl Given {
    /// Returns what a copy has to ask for to be encrypted the same.
    ///
    /// With the store's own key S3 itself encrypts everything: there a bucket may have chosen a better one.
    pub(crate) fn encryption_of_copy(
        &self,
        is_aws: bool,
    ) -> (Option<ServerSideEncryption>, Option<String>) {
        let is_usual = is_aws && self.encryption == Some(ServerSideEncryption::Aes256);
        (self.encryption.clone().filter(|_| !is_usual), self.kms_key_id.clone())
    }

    /// Returns whether this is encrypted no worse than another: any way is as good as the store's own key.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let has_customer_key = self.customer_algorithm.is_some();
        let method = match &other.encryption {
            None => true,
            Some(ServerSideEncryption::Aes256) => self.encryption.is_some() || has_customer_key,
            Some(_) => self.encryption == other.encryption && self.kms_key_id == other.kms_key_id,
        };
        method && (has_customer_key || other.customer_algorithm.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weaker_encryption_covers_none_that_is_stronger() {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let at_rest = |method: &str, key: &str, customer: &str| Given {
            encryption: some(method).map(|method| method.as_str().into()),
            kms_key_id: some(key),
            customer_algorithm: some(customer),
            ..Given::default()
        };
        let (clear, own) = (at_rest("", "", ""), at_rest("AES256", "", ""));
        let (kms, other) = (at_rest("aws:kms", "k", ""), at_rest("aws:kms", "l", ""));
        let (dsse, customer) = (at_rest("aws:kms:dsse", "k", ""), at_rest("", "", "AES256"));
        let all = [&clear, &own, &kms, &other, &dsse, &customer];

        let covered: Vec<Vec<bool>> =
            all.iter().map(|by| all.iter().map(|it| by.covers(it)).collect()).collect();
        let rows = |text: &str| {
            text.split(' ')
                .map(|row| row.chars().map(|c| c == '1').collect())
                .collect::<Vec<Vec<bool>>>()
        };
        assert_eq!(covered, rows("100000 110000 111000 110100 110010 110001"));

        assert_eq!(own.encryption_of_copy(true), (None, None));
        assert_eq!(own.encryption_of_copy(false), (Some(ServerSideEncryption::Aes256), None));
        assert_eq!(
            kms.encryption_of_copy(true),
            (Some(ServerSideEncryption::AwsKms), Some("k".to_owned()))
        );
        assert_eq!(clear.encryption_of_copy(false), (None, None));
    }
}

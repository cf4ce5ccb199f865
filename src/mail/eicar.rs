/// The 68 octets of the EICAR test file, which every scanner must find. Put together at run time, so that no scanner
/// takes this source, or the program made from it, for the test file itself.
pub fn eicar() -> Vec<u8> {
    let pieces: [&[u8]; 5] =
        [b"X5O!P%@AP[4", b"\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE", b"!$H+H*"];
    pieces.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::BlobId;

    #[test]
    fn it_is_the_published_test_file() {
        let octets = eicar();
        assert_eq!(octets.len(), 68);
        let published = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
        assert_eq!(BlobId::of(&octets).to_string(), published);
    }
}
